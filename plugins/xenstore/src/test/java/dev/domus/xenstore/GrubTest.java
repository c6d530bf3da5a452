package dev.domus.xenstore;

import static dev.domus.xenstore.GuestClient.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.kernel.service.StoreService;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The sequence of requests that GRUB makes, as it was measured (xen-pv-abi.md, 15.2), and Linux's
 * first ones.
 */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class GrubTest {
  private static final int DIRECTORY = 1, READ = 2, WATCH = 4, START = 6, END = 7, WRITE = 11;

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private StoreConnection toolstack;
  private GuestClient guest;

  @BeforeEach
  void introduce() {
    service.start(hypervisor);
    toolstack = hypervisor.find(StoreService.class).orElseThrow().connect(0);
    toolstack.mkdir(0, "/local/domain/5");
    toolstack.setPermissions(0, "/local/domain/5", List.of("n0", "r5"));
    for (String path : List.of("device", "control/shutdown", "data")) {
      node(path, "", "n5");
    }
    node("memory/target", "65536", "n0", "r5");
    guest = new GuestClient(hypervisor.guest(5));
    toolstack.introduce(5, 5, 1);
  }

  @AfterEach
  void stop() {
    toolstack.close();
    service.stop();
    hypervisor.close();
  }

  private void node(String path, String value, String... permissions) {
    toolstack.write(0, "/local/domain/5/" + path, value);
    toolstack.setPermissions(0, "/local/domain/5/" + path, List.of(permissions));
  }

  private void disk() {
    String backend = "/local/domain/0/backend/vbd/5/51712";
    toolstack.write(0, backend, "");
    toolstack.setPermissions(0, backend, List.of("n0", "r5"));
    toolstack.write(0, backend + "/dev", "xvda");
    toolstack.write(0, backend + "/state", "2");
    node("device/vbd/51712/backend", backend, "n5", "r0");
    node("device/vbd/51712/backend-id", "0", "n5", "r0");
    node("device/vbd/51712/state", "1", "n5", "r0");
  }

  @Test
  void withoutDisksGrubFindsNone() {
    assertEquals("!ENOENT", guest.ask(DIRECTORY, strings("device/vbd")));
  }

  @Test
  void grubConnectsItsDisk() {
    disk();
    assertEquals("51712\0", guest.ask(DIRECTORY, strings("device/vbd")));
    assertEquals("51712\0", guest.ask(DIRECTORY, strings("device/vbd")));
    String backend = guest.ask(READ, strings("device/vbd/51712/backend"));
    assertEquals("xvda", guest.ask(READ, strings(backend + "/dev")));
    assertEquals("0", guest.ask(READ, strings("device/vbd/51712/backend-id")));
    assertEquals("OK\0", guest.ask(WRITE, "device/vbd/51712/ring-ref\0" + "8"));
    assertEquals("OK\0", guest.ask(WRITE, "device/vbd/51712/event-channel\0" + "3"));
    assertEquals("OK\0", guest.ask(WRITE, "device/vbd/51712/protocol\0" + "x86_64-abi"));
    assertEquals("OK\0", guest.ask(WRITE, "device/vbd/51712/state\0" + "3"));
    assertEquals("2", guest.ask(READ, strings(backend + "/state")));
    toolstack.write(0, backend + "/state", "4");
    assertEquals("4", guest.ask(READ, strings(backend + "/state")));
    assertEquals("OK\0", guest.ask(WRITE, "device/vbd/51712/ring-ref\0"));
    assertEquals("", guest.ask(READ, strings("device/vbd/51712/ring-ref")));
    assertEquals("!EACCES", guest.ask(WRITE, backend + "/state\0" + "6"));
  }

  @Test
  void linuxConnects() {
    assertEquals("OK\0", guest.ask(WATCH, strings("memory/target", "FFFFFFFF81C0")));
    assertEquals("memory/target:FFFFFFFF81C0", guest.event());
    assertEquals("65536", guest.ask(READ, strings("memory/target")));
    assertEquals("OK\0", guest.ask(WATCH, strings("control/shutdown", "t")));
    assertEquals("control/shutdown:t", guest.event());
    String id = guest.ask(START, "\0").replace("\0", "");
    assertEquals("", guest.ask(READ, Integer.parseInt(id), strings("control/shutdown")));
    assertEquals("OK\0", guest.ask(END, Integer.parseInt(id), strings("T")));
    assertEquals("!ENOENT", guest.ask(DIRECTORY, strings("backend")));
    toolstack.write(0, "/local/domain/5/control/shutdown", "poweroff");
    assertEquals("control/shutdown:t", guest.event());
    assertEquals("poweroff", guest.ask(READ, strings("control/shutdown")));
    assertEquals("OK\0", guest.ask(WRITE, "control/shutdown\0"));
    assertEquals("control/shutdown:t", guest.event());
  }
}
