package dev.domus.kernel.grant;

import dev.domus.kernel.abi.Domid;
import dev.domus.kernel.abi.GrantStatus;
import dev.domus.kernel.mmu.TransferableFrames;
import java.util.Optional;

/**
 * GNTTABOP_transfer (xen-pv-abi.md, 12.2): a domain gives a frame of its own, with what is in it,
 * to a domain that has an entry waiting for it.
 *
 * <p>Steps are in an order in which each can be undone until one that cannot fail: the frame leaves
 * its owner, who has to have nothing mapped of it; the receiver's memory limit makes room for it;
 * the receiver's entry is committed, which its guest sees and cannot take back; the frame arrives;
 * the entry names it. From the first step on the frame belongs to the hypervisor, so neither
 * domain, nor one with an old grant to it, can refer to it (XSA-214). Only the end of the receiver,
 * or a translated receiver that has no room at the number it named, can come between commitment and
 * arrival; then the frame goes back to the sender.
 */
final class GrantTransfer {
  private GrantTransfer() {}

  /**
   * Transfers a frame.
   *
   * @param number what the sender calls the frame; any number
   * @return a grant status
   */
  static int transfer(GrantTable sender, long number, int receiverDomid, int ref) {
    TransferableFrames from = sender.machine().frames();
    long mfn = from.detach(number);
    if (mfn < 0) {
      return GrantStatus.BAD_PAGE;
    }
    int status = give(sender, mfn, receiverDomid, ref);
    if (status != GrantStatus.OKAY) {
      from.reattach(mfn, number);
    }
    return status;
  }

  private static int give(GrantTable sender, long mfn, int receiverDomid, int ref) {
    Optional<GrantTable> found =
        receiverDomid >= Domid.FIRST_RESERVED
            ? Optional.empty()
            : sender.machine().grants(receiverDomid);
    if (found.isEmpty()) {
      return GrantStatus.BAD_DOMAIN;
    }
    GrantTable receiver = found.get();
    TransferableFrames to = receiver.machine().frames();
    if (!to.makeRoom()) {
      return GrantStatus.GENERAL_ERROR;
    }
    int status = receiver.beginReceiving(ref, sender.domid());
    if (status != GrantStatus.OKAY) {
      to.giveRoomBack();
      return status;
    }
    long place = receiver.acceptedAt(ref);
    boolean arrived = to.attach(mfn, place);
    if (arrived) {
      sender.machine().frames().departed(mfn);
      to.arrived(mfn, place);
    } else {
      to.giveRoomBack();
    }
    receiver.endReceiving(ref, mfn, arrived);
    return arrived ? GrantStatus.OKAY : GrantStatus.GENERAL_ERROR;
  }
}
