package dev.domus.kernel.model;

import static org.junit.jupiter.api.Assertions.assertEquals;

/** What others than the domain's own guest do to it. */
sealed interface OutsideStep extends Step {
  /** The domain dies, and another is built. */
  record Rebuild(int domain) implements OutsideStep {
    @Override
    public void run(Twin twin) {
      twin.rebuild(domain);
      twin.same("death and rebuild", 0, 0);
      assertEquals(0, twin.room(domain));
    }
  }

  /** The toolstack lets the domain map an I/O frame, or not any more. */
  record IoRight(int domain, int frame, boolean allowed) implements OutsideStep {
    @Override
    public void run(Twin twin) {
      twin.permitIo(domain, new At(domain, At.IO + frame).mfn(twin), allowed);
      twin.same(allowed ? "I/O frame allowed" : "I/O frame taken away", 0, 0);
    }
  }

  /** Domain 0 opens a window on a page of the domain's; at most so many are open. */
  record Open(int domain, int pfn, boolean writable) implements OutsideStep {
    @Override
    public void run(Twin twin) {
      twin.open(domain, pfn, writable);
    }
  }

  /** One of the windows is closed, whoever's page it shows, dead or alive. */
  record Close(int domain, int which) implements OutsideStep {
    @Override
    public void run(Twin twin) {
      twin.close(which);
    }
  }
}
