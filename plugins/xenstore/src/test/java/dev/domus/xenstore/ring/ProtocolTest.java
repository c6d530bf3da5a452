package dev.domus.xenstore.ring;

import static dev.domus.xenstore.GuestClient.strings;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.domus.kernel.service.StoreConnection;
import dev.domus.xenstore.FakeHypervisor;
import dev.domus.xenstore.GuestClient;
import dev.domus.xenstore.XenstoreService;
import dev.domus.xenstore.wire.MessageType;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Each request over the ring, as bytes (xen-pv-abi.md, 15.2). */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class ProtocolTest {
  private static final String OK = "OK\0";

  private final FakeHypervisor hypervisor = new FakeHypervisor();
  private final XenstoreService service = new XenstoreService();
  private StoreConnection toolstack;
  private GuestClient guest;

  @BeforeEach
  void introduce() {
    service.start(hypervisor);
    toolstack = service.connect(0);
    toolstack.mkdir(0, "/local/domain/5/data");
    toolstack.setPermissions(0, "/local/domain/5/data", List.of("n5"));
    guest = new GuestClient(hypervisor.guest(5));
    toolstack.introduce(5, 5, 1);
  }

  @AfterEach
  void stop() {
    service.stop();
    assertEquals(0, hypervisor.mapped());
    hypervisor.close();
  }

  @Test
  void nodes() {
    assertEquals(OK, guest.ask(MessageType.WRITE, "data/a\0va\0lue"));
    assertEquals("va\0lue", guest.ask(MessageType.READ, strings("data/a")));
    assertEquals(OK, guest.ask(MessageType.MKDIR, strings("data/b/c")));
    assertEquals("a\0b\0", guest.ask(MessageType.DIRECTORY, strings("data")));
    assertEquals("", guest.ask(MessageType.DIRECTORY, strings("data/a")));
    assertEquals(OK, guest.ask(MessageType.RM, strings("data/b")));
    assertEquals(OK, guest.ask(MessageType.RM, strings("data/b")));
    assertEquals("!ENOENT", guest.ask(MessageType.RM, strings("data/b/c")));
    assertEquals("!ENOENT", guest.ask(MessageType.READ, strings("data/b")));
    assertEquals("n5\0", guest.ask(MessageType.GET_PERMS, strings("data/a")));
    assertEquals(OK, guest.ask(MessageType.SET_PERMS, strings("data/a", "n5", "r0")));
    assertEquals("n5\0r0\0", guest.ask(MessageType.GET_PERMS, strings("data/a")));
    assertEquals("!EACCES", guest.ask(MessageType.READ, strings("/local/domain/0")));
    assertEquals("!EACCES", guest.ask(MessageType.WRITE, "/tool/xenstored\0x"));
  }

  @Test
  void transactions() {
    String text = guest.ask(MessageType.TRANSACTION_START, "\0");
    int id = Integer.parseInt(text.substring(0, text.length() - 1));
    assertEquals("!EBUSY", guest.ask(MessageType.TRANSACTION_START, id, "\0"));
    assertEquals(OK, guest.ask(MessageType.WRITE, id, "data/a\0x"));
    assertEquals("!ENOENT", guest.ask(MessageType.READ, strings("data/a")));
    assertEquals("x", guest.ask(MessageType.READ, id, strings("data/a")));
    assertEquals("!EINVAL", guest.ask(MessageType.TRANSACTION_END, id, strings("X")));
    toolstack.write(0, "/local/domain/5/data/a", "between");
    assertEquals("!EAGAIN", guest.ask(MessageType.TRANSACTION_END, id, strings("T")));
    assertEquals("!ENOENT", guest.ask(MessageType.TRANSACTION_END, id, strings("F")));
    assertEquals("!ENOENT", guest.ask(MessageType.READ, 77, strings("data/a")));
    assertEquals("!ENOENT", guest.ask(MessageType.TRANSACTION_END, 0, strings("T")));
  }

  @Test
  void watches() {
    guest.send(MessageType.WATCH, 1, 0, strings("data", "tok en").getBytes());
    assertEquals(
        MessageType.WATCH, guest.message().type(), "the reply comes before the first event");
    assertEquals(MessageType.WATCH_EVENT, guest.message().type());
    assertEquals("!EEXIST", guest.ask(MessageType.WATCH, strings("data", "tok en")));
    assertEquals(OK, guest.ask(MessageType.WRITE, "data/x\0"));
    assertEquals("data/x:tok en", guest.event());
    assertEquals(OK, guest.ask(MessageType.UNWATCH, strings("data", "tok en")));
    assertEquals("!ENOENT", guest.ask(MessageType.UNWATCH, strings("data", "tok en")));
    assertEquals(OK, guest.ask(MessageType.WATCH, strings("data", "t", "0")));
    assertEquals("data:t", guest.event());
    assertEquals(OK, guest.ask(MessageType.RESET_WATCHES, "\0"));
    toolstack.write(0, "/local/domain/5/data", "");
    assertEquals("T\0", guest.ask(MessageType.IS_DOMAIN_INTRODUCED, strings("5")));
    assertEquals(List.of(), guest.kept());
  }

  @Test
  void domains() {
    assertEquals("/local/domain/7\0", guest.ask(MessageType.GET_DOMAIN_PATH, strings("7")));
    assertEquals("!EINVAL", guest.ask(MessageType.GET_DOMAIN_PATH, strings("-7")));
    assertEquals("!EINVAL", guest.ask(MessageType.GET_DOMAIN_PATH, strings("32752")));
    assertEquals("F\0", guest.ask(MessageType.IS_DOMAIN_INTRODUCED, strings("7")));
    assertEquals("!EACCES", guest.ask(MessageType.INTRODUCE, strings("7", "1", "1")));
    assertEquals("!EACCES", guest.ask(MessageType.RELEASE, strings("5")));
    assertEquals("!EACCES", guest.ask(MessageType.RESUME, strings("5")));
    assertEquals("!EACCES", guest.ask(MessageType.SET_TARGET, strings("5", "0")));
    assertEquals("!EACCES", guest.ask(MessageType.CONTROL, strings("help")));
  }

  @Test
  void whatIsNoRequestIsAnsweredToo() {
    for (int type : new int[] {15, 16, 20, 23, 1000, -1}) {
      assertEquals("!ENOSYS", guest.ask(type, strings("data")));
    }
    for (int type = 1; type <= 22; type++) {
      if (type != 6 && type != 15 && type != 16 && type != 20 && type != 21) {
        assertEquals("!EINVAL", guest.ask(type, ""), "type=" + type);
        assertEquals("!EINVAL", guest.ask(type, "no NUL at the end"), "type=" + type);
      }
    }
    for (int type : new int[] {MessageType.WATCH, MessageType.UNWATCH, MessageType.SET_PERMS}) {
      assertEquals("!EINVAL", guest.ask(type, strings("data")));
    }
  }

  @Test
  void aDirectoryThatExceedsAMessageComesInParts() {
    for (int i = 0; i < 1000; i++) {
      toolstack.mkdir(0, "/local/domain/5/data/number-" + i);
    }
    assertEquals("!E2BIG", guest.ask(MessageType.DIRECTORY, strings("data")));
    StringBuilder all = new StringBuilder();
    String generation = "";
    for (int parts = 0; ; parts++) {
      String part =
          guest.ask(MessageType.DIRECTORY_PART, strings("data", Integer.toString(all.length())));
      assertTrue(part.length() <= 4096);
      int end = part.indexOf('\0') + 1;
      assertTrue(parts == 0 || generation.equals(part.substring(0, end)));
      generation = part.substring(0, end);
      String names = part.substring(end);
      if (names.equals("\0") || names.endsWith("\0\0")) {
        all.append(names, 0, names.length() - 1);
        break;
      }
      all.append(names);
    }
    assertEquals(
        toolstack.directory(0, "/local/domain/5/data"), List.of(all.toString().split("\0")));
    toolstack.mkdir(0, "/local/domain/5/data/more");
    assertTrue(!guest.ask(MessageType.DIRECTORY_PART, strings("data", "0")).startsWith(generation));
  }

  @Test
  void theLargestMessagesPass() {
    String name = "data/" + "n".repeat(2000);
    String value = "v".repeat(2048);
    assertEquals(OK, guest.ask(MessageType.WRITE, name + "\0" + value));
    assertEquals(value, guest.ask(MessageType.READ, strings(name)));
    assertEquals("!ENOSPC", guest.ask(MessageType.WRITE, "data/x\0" + "v".repeat(4096 - 7)));
    assertEquals("!EINVAL", guest.ask(MessageType.READ, "x".repeat(4096)));
  }
}
