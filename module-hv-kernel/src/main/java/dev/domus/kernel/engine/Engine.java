package dev.domus.kernel.engine;

import java.util.Optional;
import org.pf4j.ExtensionPoint;

/**
 * Extension point: a way to execute guest instructions. Provided by a plugin's module descriptor;
 * made once a process by its public no-argument constructor.
 */
public interface Engine extends ExtensionPoint {
  /**
   * The name by which {@code --engine} and configuration files choose it: lower case, no blanks.
   */
  String name();

  /** One line for listings. */
  String description();

  /**
   * Why this host cannot run the engine, or empty if it can. Called before the first {@link
   * #attach}; may run a self-test, and must not throw.
   */
  Optional<String> unusableBecause();

  /**
   * Says whether the engine counts instructions so that virtual time can go by them: {@link
   * VcpuEngine#runExactly} stops where it is told to, {@link CpuState#retired} depends on nothing
   * but what the guest did, and is up to date whenever {@link EngineVcpu#tsc} is called.
   */
  default boolean countsExactly() {
    return false;
  }

  /**
   * Makes the engine of one vCPU.
   *
   * @param machine the machine; the same object in every call
   * @param vcpu the vCPU to run; its registers need not be set yet
   */
  VcpuEngine attach(EngineMachine machine, EngineVcpu vcpu);
}
