package dev.domus.toolstack.life;

import dev.domus.kernel.control.DomainSpec;
import dev.domus.toolstack.image.ImageFile;
import dev.domus.toolstack.image.KernelImage;
import java.util.Optional;
import java.util.UUID;

/**
 * What a guest is to be.
 *
 * @param name its name, unique among those that are there
 * @param uuid its handle
 * @param image its kernel; stays the caller's to close
 * @param ramdisk its ramdisk; stays the caller's to close
 * @param commandLine what its kernel is told
 * @param pages frames of RAM
 * @param vcpus number of vCPUs
 * @param engine the engine that runs them
 * @param pool the cpupool they run in
 * @param weight scheduling weight
 * @param cap cap in percent of one pCPU, 0 for none
 * @param privileged whether it may act on other domains and on the machine
 */
public record GuestConfig(
    String name,
    UUID uuid,
    KernelImage image,
    Optional<ImageFile> ramdisk,
    String commandLine,
    long pages,
    int vcpus,
    String engine,
    String pool,
    int weight,
    int cap,
    boolean privileged) {
  /** As the hypervisor wants it. */
  DomainSpec spec() {
    return new DomainSpec(uuid, pages, vcpus, engine, pool, weight, cap, privileged);
  }
}
