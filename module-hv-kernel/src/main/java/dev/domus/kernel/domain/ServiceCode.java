package dev.domus.kernel.domain;

import dev.domus.kernel.engine.Engine;
import dev.domus.kernel.engine.EngineMachine;
import dev.domus.kernel.engine.EngineVcpu;
import dev.domus.kernel.engine.Exit;
import dev.domus.kernel.engine.VcpuEngine;
import java.util.Optional;

/** The engine of service domains: the JVM executes their code, so there is nothing to enter. */
enum ServiceCode implements Engine, VcpuEngine {
  ENGINE;

  @Override
  public String description() {
    return "Java code of a service domain";
  }

  @Override
  public Optional<String> unusableBecause() {
    return Optional.of("it runs no guests");
  }

  @Override
  public VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu) {
    return this;
  }

  @Override
  public Exit run(long budget) {
    throw new AssertionError("a service domain has no guest code");
  }

  @Override
  public Exit stepOver(long va, long mfn) {
    throw new AssertionError("a service domain has no guest code");
  }

  @Override
  public void kick() {
    // A thread in a hypercall comes back by itself.
  }

  @Override
  public void invalidate(long invalidation) {
    // There are no translations.
  }

  @Override
  public void close() {
    // Nothing is held.
  }
}
