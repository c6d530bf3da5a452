package dev.domus.pciback;

import static dev.domus.pciback.SharedPageLayout.*;

import dev.domus.iommu.RequesterId;
import dev.domus.kernel.device.InterruptKind;
import dev.domus.kernel.service.HypercallException;
import dev.domus.memory.Window;
import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Carries out what one guest asks for. Each field of a request is read once; the answer is written
 * before the flag that announces it. Interrupts that a guest has set up are remembered, and taken
 * back when it disables them or its function goes, so a guest that enables for ever holds no more
 * of them than its functions have vectors. Not thread-safe.
 */
final class Requests {
  private static final System.Logger LOG = System.getLogger(Requests.class.getName());

  private final int domid;
  private final Functions functions;
  private final VirtualSlots slots;
  private final Map<RequesterId, List<Integer>> interrupts = new HashMap<>();
  private boolean failed;

  Requests(int domid, Functions functions, VirtualSlots slots) {
    this.domid = domid;
    this.functions = functions;
    this.slots = slots;
  }

  /**
   * Answers the request in a page, if there is one.
   *
   * @return whether there was
   */
  boolean serve(Window page) {
    if ((page.getIntAcquire(FLAGS) & ACTIVE) == 0) {
      return false;
    }
    page.putInt(ERROR, carryOut(page));
    int flags;
    do {
      flags = page.getIntAcquire(FLAGS);
    } while (!page.compareAndSetInt(FLAGS, flags, flags & ~ACTIVE));
    return true;
  }

  private int carryOut(Window page) {
    int command = page.getInt(COMMAND);
    Optional<RequesterId> function =
        slots.find(page.getInt(DOMAIN), page.getInt(BUS), page.getInt(DEVFN));
    if (function.isEmpty() || !functions.isAssigned(function.get(), domid)) {
      return DEVICE_NOT_FOUND;
    }
    try {
      return switch (command) {
        case CONF_READ -> read(page, function.get());
        case CONF_WRITE -> write(page, function.get());
        case ENABLE_MSI -> enableMsi(page, function.get());
        case ENABLE_MSIX -> enableMsix(page, function.get());
        case DISABLE_MSI, DISABLE_MSIX -> {
          page.putInt(VALUE, 0);
          disable(function.get());
          yield SUCCESS;
        }
        default -> NOT_IMPLEMENTED;
      };
    } catch (HypercallException refused) {
      LOG.log(
          failed ? Level.DEBUG : Level.WARNING, // once: a guest that tries for ever fills no log
          "request {0} of domain {1} for {2} failed: {3}",
          command,
          domid,
          function.get(),
          refused.getMessage());
      failed = true;
      return OPERATION_FAILED;
    }
  }

  private int read(Window page, RequesterId function) {
    int offset = page.getInt(OFFSET);
    int size = page.getInt(SIZE);
    if (!ConfigFilter.exists(offset, size)) {
      return INVALID_OFFSET;
    }
    page.putInt(VALUE, functions.readConfig(function, offset, size));
    return SUCCESS;
  }

  private int write(Window page, RequesterId function) {
    int offset = page.getInt(OFFSET);
    int size = page.getInt(SIZE);
    int value = page.getInt(VALUE);
    if (!ConfigFilter.exists(offset, size)) {
      return INVALID_OFFSET;
    }
    int writable = ConfigFilter.writable(offset, size);
    if (writable > 0) {
      int mask = -1 >>> Integer.SIZE - Byte.SIZE * writable;
      functions.writeConfig(function, offset, writable, value & mask);
    }
    return SUCCESS;
  }

  private int enableMsi(Window page, RequesterId function) {
    if (interrupts.containsKey(function)) {
      return OPERATION_FAILED; // enabled already
    }
    int pirq = functions.mapInterrupt(domid, function, InterruptKind.MSI, 0);
    interrupts.put(function, List.of(pirq));
    page.putInt(VALUE, pirq);
    return SUCCESS;
  }

  private int enableMsix(Window page, RequesterId function) {
    int count = page.getInt(VALUE);
    if (count < 1 || count > MAX_MSIX_ENTRIES) {
      return INVALID_OFFSET;
    }
    if (interrupts.containsKey(function)) {
      return OPERATION_FAILED; // enabled already
    }
    List<Integer> pirqs = new ArrayList<>();
    interrupts.put(function, pirqs);
    boolean done = false;
    try {
      for (int i = 0; i < count; i++) {
        int at = MSIX_ENTRIES + i * MSIX_ENTRY_SIZE;
        int entry = Short.toUnsignedInt(page.getShort(at + MSIX_ENTRY));
        int pirq = functions.mapInterrupt(domid, function, InterruptKind.MSI_X, entry);
        pirqs.add(pirq);
        page.putShort(at + MSIX_VECTOR, (short) pirq);
      }
      page.putInt(VALUE, 0);
      done = true;
      return SUCCESS;
    } finally {
      if (!done) {
        disable(function);
      }
    }
  }

  /** Takes back the interrupts of a function. */
  void disable(RequesterId function) {
    List<Integer> pirqs = interrupts.remove(function);
    if (pirqs == null) {
      return;
    }
    for (int pirq : pirqs) {
      try {
        functions.unmapInterrupt(domid, pirq);
      } catch (HypercallException gone) {
        LOG.log(
            Level.DEBUG,
            "interrupt {0} of domain {1} has gone: {2}",
            pirq,
            domid,
            gone.getMessage());
      }
    }
  }

  /** Takes back all interrupts. */
  void disableAll() {
    List.copyOf(interrupts.keySet()).forEach(this::disable);
  }
}
