package dev.domus.engine.jvm;

import dev.domus.engine.jvm.interp.Interpreter;
import dev.domus.engine.jvm.op.Lowering;
import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.VcpuEngine;
import java.nio.ByteOrder;
import java.util.Optional;

/** The engine that needs nothing but a JVM. */
public final class JvmEngine implements Engine {
  /** Made by the plugin host. */
  public JvmEngine() {}

  @Override
  public String name() {
    return "jvm";
  }

  @Override
  public String description() {
    return "x86-64 in pure Java: decoder and interpreter";
  }

  @Override
  public Optional<String> unusableBecause() {
    return ByteOrder.nativeOrder() == ByteOrder.LITTLE_ENDIAN
        ? Optional.empty()
        : Optional.of("guest memory is little-endian, and this host's processor is not");
  }

  @Override
  public boolean countsExactly() {
    return true;
  }

  @Override
  public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) {
    return new Interpreter(machine, vcpu, new Lowering());
  }
}
