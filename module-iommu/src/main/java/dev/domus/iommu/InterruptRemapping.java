package dev.domus.iommu;

import dev.domus.memory.MachineMemory;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * Where the message of a device goes, and whether it may: the interrupt remapping table, in machine
 * frames (Intel VT-d, 5.1, 9.10 <i>Interrupt Remapping Table Entry for Remapped Interrupts</i>).
 *
 * <pre>
 *        63                              32 31   24 23    16 15 14 12 11   8 7   5  4  3  2  1  0
 *  low  +----------------------------------+-------+--------+--+-----+------+-----+--+--+--+---+--+
 *       |           destination            |   0   | vector | 0|  0  |avail.| DLM |TM|RH|DM|FPD| P|
 *       +----------------------------------+-------+--------+--+-----+------+-----+--+--+--+---+--+
 *        127                        84 83 82 81 80 79            64
 *  high +-----------------------------+-----+-----+----------------+
 *       |              0              | SVT | SQ  |   source id    |
 *       +-----------------------------+-----+-----+----------------+
 * </pre>
 *
 * <p>SVT: 0 whoever; 1 the requester id, of which SQ leaves out the low bits of the function (0
 * none, 1 bit 2, 2 bits 2 and 1, 3 all three); 2 any requester on the buses from bits 15:8 to 7:0
 * of the source id. Destination and vector mean what the {@link InterruptSink} makes of them; DLM,
 * TM, RH and DM are for a processor's interrupt controller, and none is here.
 *
 * <p>Compatibility format is blocked. Entries are not cached, but a message that has read its entry
 * may be on its way: {@link #clear} and {@link #set} wait for those.
 */
public final class InterruptRemapping {
  /** How the source is verified: not, by requester id, by range of buses. */
  public static final int ANY_SOURCE = 0, REQUESTER = 1, BUS_RANGE = 2;

  private static final VarHandle LONG = ValueLayout.JAVA_LONG.varHandle();
  private static final long P = 1, FPD = 2;
  private static final int VECTOR_SHIFT = 16;
  private static final int DESTINATION_SHIFT = 32;
  private static final long RESERVED_LOW = 0xFF00_F000L;
  private static final long RESERVED_HIGH = -(1L << 20);
  private static final int SQ_SHIFT = 16;
  private static final int SVT_SHIFT = 18;

  /** What SQ leaves of a requester id. */
  private static final int[] COMPARED = {0xFFFF, 0xFFFB, 0xFFF9, 0xFFF8};

  private final IommuUnit unit;
  private final MemorySegment memory;
  private final TableFrames frames;
  private final long table;
  private final int order;
  private final int entries;
  private volatile InterruptSink sink = (destination, vector) -> {};

  InterruptRemapping(IommuUnit unit, MemorySegment memory, TableFrames frames, int entries) {
    this.unit = unit;
    this.memory = memory;
    this.frames = frames;
    this.entries = entries;
    int tableFrames = Math.max(1, entries * 16 >>> MachineMemory.FRAME_SHIFT);
    order = 31 - Integer.numberOfLeadingZeros(tableFrames);
    long mfn = frames.take(order);
    if (mfn == TableFrames.NONE) {
      throw IommuUnit.noMemory("the interrupt remapping table");
    }
    table = mfn << MachineMemory.FRAME_SHIFT;
  }

  /** Sets where interrupts go. */
  public void deliverTo(InterruptSink target) {
    sink = target;
  }

  /** Number of entries; indexes are below it. */
  public int entries() {
    return entries;
  }

  /** Machine address of the table. */
  long table() {
    return table;
  }

  private long at(int index) {
    if (index < 0 || index >= entries) {
      throw new IllegalArgumentException(
          "no such interrupt, they are 0..%d: index=%d".formatted(entries - 1, index));
    }
    return table + index * 16L;
  }

  /**
   * Sets an entry; messages of it that come from then on go there, and none goes where an earlier
   * entry said when this returns.
   *
   * @param index the entry
   * @param destination what the sink is told
   * @param vector what the sink is told, 0 to 255
   * @param verification {@link #ANY_SOURCE}, {@link #REQUESTER} or {@link #BUS_RANGE}
   * @param qualifier for {@link #REQUESTER}, 0 to 3: which bits of the function are left out
   * @param source the requester id, or first and last bus
   */
  public synchronized void set(
      int index, int destination, int vector, int verification, int qualifier, int source) {
    if ((vector & ~0xFF | qualifier & ~3 | source & ~0xFFFF) != 0
        || verification < ANY_SOURCE
        || verification > BUS_RANGE) {
      throw new IllegalArgumentException(
          "no such interrupt entry: vector=%d verification=%d qualifier=%d source=0x%x"
              .formatted(vector, verification, qualifier, source));
    }
    clear(index);
    long at = at(index);
    LONG.setVolatile(
        memory, at + 8, (long) verification << SVT_SHIFT | (long) qualifier << SQ_SHIFT | source);
    LONG.setVolatile(
        memory, at, (long) destination << DESTINATION_SHIFT | (long) vector << VECTOR_SHIFT | P);
  }

  /** Clears an entry: its messages are faults, and none is on its way when this returns. */
  public synchronized void clear(int index) {
    LONG.setVolatile(memory, at(index), 0L);
    unit.drainEveryPort();
  }

  /**
   * Remaps one message; the caller has announced it.
   *
   * @return {@link DmaPort#OK} or a fault reason, of which the caller records if told
   */
  long remap(int requester, long address, int data) {
    if ((address & MessageAddress.REMAPPABLE) == 0) {
      return fault(FaultReason.INTERRUPT_COMPATIBILITY, 0, true);
    }
    boolean several = (address & MessageAddress.SUBHANDLE_VALID) != 0;
    int index = MessageAddress.index(address, data);
    if (several && data >>> 16 != 0) {
      return fault(FaultReason.INTERRUPT_REQUEST_RESERVED, index, true);
    }
    if (index >= entries) {
      return fault(FaultReason.INTERRUPT_INDEX, index, true);
    }
    long at = table + index * 16L;
    long low;
    long high;
    do { // never the halves of two entries: between them P is clear
      low = (long) LONG.getVolatile(memory, at);
      high = (long) LONG.getVolatile(memory, at + 8);
    } while ((long) LONG.getVolatile(memory, at) != low);
    boolean records = (low & FPD) == 0;
    if ((low & P) == 0) {
      return fault(FaultReason.INTERRUPT_NOT_PRESENT, index, records);
    }
    int verification = (int) (high >>> SVT_SHIFT) & 3;
    if ((low & RESERVED_LOW) != 0 || (high & RESERVED_HIGH) != 0 || verification > BUS_RANGE) {
      return fault(FaultReason.INTERRUPT_ENTRY_RESERVED, index, records);
    }
    if (!isFrom(requester, verification, high)) {
      return fault(FaultReason.INTERRUPT_SOURCE, index, records);
    }
    sink.deliver((int) (low >>> DESTINATION_SHIFT), (int) (low >>> VECTOR_SHIFT) & 0xFF);
    return DmaPort.OK;
  }

  private static boolean isFrom(int requester, int verification, long high) {
    int source = (int) high & 0xFFFF;
    return switch (verification) {
      case ANY_SOURCE -> true;
      case REQUESTER -> ((requester ^ source) & COMPARED[(int) (high >>> SQ_SHIFT) & 3]) == 0;
      default -> requester >>> 8 >= source >>> 8 && requester >>> 8 <= (source & 0xFF);
    };
  }

  /** Reason in the low bits, then whether it is recorded, then the index. */
  private static long fault(FaultReason reason, int index, boolean recorded) {
    return reason.code() | (recorded ? RECORDED : 0) | (long) index << INDEX_SHIFT;
  }

  /** In a result of {@link #remap}: the reason's bits, the bit that says it is recorded. */
  static final int REASON = 0xFF, RECORDED = 0x100;

  /** In a result of {@link #remap}: where the index is. */
  static final int INDEX_SHIFT = 16;

  void free() {
    frames.give(table >>> MachineMemory.FRAME_SHIFT, order);
  }
}
