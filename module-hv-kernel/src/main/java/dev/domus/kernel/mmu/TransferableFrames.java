package dev.domus.kernel.mmu;

/**
 * The frames of one domain, as a transfer to another domain moves them. The two ends of a transfer
 * never hold both domains' locks: between them the frame is the hypervisor's. Thread-safe.
 */
public interface TransferableFrames {
  /**
   * Takes a frame out of the domain's hands, if it is the domain's ordinary memory and nothing
   * refers to it. Nobody in the domain has a translation to it afterwards.
   *
   * @param number what the domain calls the frame: of a translated domain a guest frame, of others
   *     a machine frame; any number
   * @return the machine frame, or a negative number if it was not like that; the caller then owes
   *     {@link #reattach} or {@link #departed}
   */
  long detach(long number);

  /** Gives a detached frame back. */
  void reattach(long mfn, long number);

  /** Says that a detached frame has become another domain's; it loses its guest frame number. */
  void departed(long mfn);

  /**
   * Makes room for a frame within the domain's limit.
   *
   * @return false if there is none, or the domain is going; else the caller owes {@link #attach} or
   *     {@link #giveRoomBack}
   */
  boolean makeRoom();

  /** Takes {@link #makeRoom} back. */
  void giveRoomBack();

  /**
   * Makes a frame that was detached from some domain this one's, with its contents, in the room
   * that was made.
   *
   * @param number where a translated domain wants it; any number
   * @return false, and nothing changed, if the domain is going or has something there already
   */
  boolean attach(long mfn, long number);

  /** Says that an attached frame has lost the number that its sender knew it by. */
  void arrived(long mfn, long number);
}
