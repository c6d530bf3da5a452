package dev.domus.kernel.abi;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * The hypercall page: 128 stubs of 32 bytes, by which a guest makes hypercall <i>n</i> with a call
 * to page + 32·n (xen-pv-abi.md, 4.1).
 *
 * <pre>
 *   n                       iret (23)
 *   51             push rcx     51              push rcx
 *   41 53          push r11     41 53           push r11
 *   b8 n           mov eax, n   50              push rax
 *   0f 05          syscall      b8 17 00 00 00  mov eax, 23
 *   41 5b          pop r11      0f 05           syscall      (does not return)
 *   59             pop rcx
 *   c3             ret          the rest of a slot: cc (int3)
 * </pre>
 */
public final class HypercallPage {
  private static final int STUBS = 128;

  private static final int STUB_SIZE = 32;

  private static final byte PUSH_RCX = 0x51, PUSH_RAX = 0x50, POP_RCX = 0x59, MOV_EAX = (byte) 0xB8;
  private static final byte RET = (byte) 0xC3, INT3 = (byte) 0xCC;
  private static final byte[] PUSH_R11 = {0x41, 0x53},
      POP_R11 = {0x41, 0x5B},
      SYSCALL = {0x0F, 0x05};

  private HypercallPage() {}

  /** The page's contents. */
  public static byte[] contents() {
    byte[] page = new byte[STUBS * STUB_SIZE];
    Arrays.fill(page, INT3);
    for (int number = 0; number < STUBS; number++) {
      ByteBuffer stub =
          ByteBuffer.wrap(page, number * STUB_SIZE, STUB_SIZE).order(ByteOrder.LITTLE_ENDIAN);
      stub.put(PUSH_RCX).put(PUSH_R11);
      if (number == HypercallNumber.IRET) {
        stub.put(PUSH_RAX).put(MOV_EAX).putInt(number).put(SYSCALL);
      } else {
        stub.put(MOV_EAX).putInt(number).put(SYSCALL).put(POP_R11).put(POP_RCX).put(RET);
      }
    }
    return page;
  }
}
