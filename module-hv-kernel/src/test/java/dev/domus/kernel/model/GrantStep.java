package dev.domus.kernel.model;

import static dev.domus.kernel.abi.HypercallNumber.GRANT_TABLE_OP;

import java.util.List;

/** Grants: the granting guest's entries, and what the others make of them. */
sealed interface GrantStep extends Step {
  /** Commands of grant_table_op. */
  int MAP = 0, UNMAP = 1, TRANSFER = 4, COPY = 5, REPLACE = 7, SWAP = 11;

  /** Types of entries. */
  int PERMIT = 1, ACCEPT = 2;

  private static String outcome(int status) {
    return status == 0 ? "done" : "status " + status;
  }

  /** Makes the call on both and compares; what became of each element is in its memory. */
  private static void run(
      Twin twin,
      String name,
      int domain,
      int command,
      int count,
      int size,
      int statusAt,
      GrantModel.Element each) {
    int domid = twin.domid(domain);
    long actual = twin.call(domain, GRANT_TABLE_OP, command, Twin.ARGUMENTS, count);
    int[] last = new int[1];
    long expected =
        twin.model()
            .grants
            .batch(
                domid,
                Twin.ARGUMENTS,
                count,
                size,
                statusAt,
                (at, words) -> {
                  last[0] = each.carryOut(at, words);
                  return last[0];
                });
    twin.same(name, expected, actual, expected < 0 ? "unreadable" : outcome(last[0]));
  }

  /** A grant by the domain that gives it and its number there. */
  record Grant(Whom granter, int ref) {}

  /**
   * A grant as the caller names it.
   *
   * @param number which of those that are made out to it, if there is one; −1 for what is named
   */
  record Named(Whom granter, int ref, int number) {
    Grant find(Twin twin, int caller, int type) {
      List<Grant> offers = number < 0 ? List.of() : twin.offers(caller, type);
      return offers.isEmpty() ? new Grant(granter, ref) : offers.get(number % offers.size());
    }
  }

  /** The guest's program writes an entry of its grant table, which it may no longer have mapped. */
  record Permit(int domain, int ref, int flags, Whom grantee, At frame) implements GrantStep {
    @Override
    public void run(Twin twin) {
      if (twin.mapsWritable(domain, twin.state(domain).grantFrame)) {
        long entry = flags | (long) grantee.id(twin, domain) << 16 | frame.mfn(twin) << 32;
        ModelFrame table = twin.model().frames.frames.get(twin.state(domain).grantFrame);
        boolean inUse = twin.state(domain).pins.containsKey(ref);
        twin.setWord(table, ref, entry);
        twin.same(inUse ? "grant entry in use rewritten" : "grant entry", 0, 0);
      }
    }
  }

  /** Where a mapping goes: an address, or an entry. */
  record Where(Va va, At table, int index, boolean containsPte, int misaligned) {
    long address(Twin twin) {
      return (containsPte ? table.word(twin, index) : va.address()) + misaligned;
    }

    @Override
    public String toString() {
      return (containsPte ? table + "[" + index + "]" : va.toString())
          + (misaligned == 0 ? "" : "+" + misaligned);
    }
  }

  /** One element of map_grant_ref. */
  record Mapping(Named grant, int flags, Where where) {
    int allFlags() {
      return flags | (where.containsPte ? GrantModel.CONTAINS_PTE : 0);
    }
  }

  /** map_grant_ref. */
  record Map(int domain, List<Mapping> mappings) implements GrantStep {
    @Override
    public void run(Twin twin) {
      for (int i = 0; i < mappings.size(); i++) {
        Mapping m = mappings.get(i);
        Grant grant = m.grant.find(twin, domain, PERMIT);
        long at = Twin.ARGUMENTS + 32L * i;
        twin.put(domain, at, m.where.address(twin));
        twin.put(domain, at + 8, m.allFlags() | (long) grant.ref << 32);
        twin.put(domain, at + 16, grant.granter.id(twin, domain));
        twin.put(domain, at + 24, 0);
      }
      int domid = twin.domid(domain);
      GrantStep.run(
          twin,
          name(),
          domain,
          MAP,
          mappings.size(),
          32,
          18,
          (at, w) ->
              twin.model().grants.map(domid, at, w, () -> twin.freshHandle(domain, at + 20, w[0])));
    }

    private String name() {
      Mapping m = mappings.getLast();
      int parts = m.flags & (GrantModel.HOST | GrantModel.DEVICE);
      String what =
          switch (parts) {
            case GrantModel.HOST -> m.where.containsPte ? "an entry" : "an address";
            case GrantModel.DEVICE -> "device";
            case 0 -> "nothing";
            default -> "both parts";
          };
      return "map_grant_ref " + what + (mappings.size() > 1 ? ", batch" : "");
    }
  }

  /** Which of the domain's live mappings is meant, or none; and whether by its own address. */
  record Which(int number, boolean own) {
    int handle(Twin twin, int domain) {
      List<Integer> live = List.copyOf(twin.state(domain).handles.keySet());
      return live.isEmpty() || number < 0 ? 4711 : live.get(number % live.size());
    }

    long address(Twin twin, int domain, Where otherwise) {
      long known = twin.addressOf(domain, handle(twin, domain));
      return own && known >= 0 ? known : otherwise.address(twin);
    }
  }

  /** unmap_grant_ref, of the host part, the device part, or both. */
  record Unmap(int domain, List<Which> which, Where otherwise, int parts, boolean wrongDevice)
      implements GrantStep {
    @Override
    public void run(Twin twin) {
      int count = which.size();
      for (int i = 0; i < count; i++) {
        int handle = which.get(i).handle(twin, domain);
        ModelDomain.GrantMapping m = twin.state(domain).handles.get(handle);
        long host = (parts & 1) == 0 ? 0 : which.get(i).address(twin, domain, otherwise);
        long device = (parts & 2) == 0 || m == null ? 0 : m.mfn() << 12;
        twin.put(domain, Twin.ARGUMENTS + 24L * i, host);
        twin.put(domain, Twin.ARGUMENTS + 24L * i + 8, device + (wrongDevice ? 4096 : 0));
        twin.put(domain, Twin.ARGUMENTS + 24L * i + 16, handle);
      }
      String[] names = {"nothing", "host", "device", "both parts"};
      String name = "unmap_grant_ref " + names[parts] + (count > 1 ? ", batch" : "");
      int domid = twin.domid(domain);
      GrantStep.run(
          twin, name, domain, UNMAP, count, 24, 20, (at, w) -> twin.model().grants.unmap(domid, w));
    }
  }

  /** unmap_and_replace. */
  record Replace(int domain, Which which, Where otherwise, Va source) implements GrantStep {
    @Override
    public void run(Twin twin) {
      twin.put(domain, Twin.ARGUMENTS, which.address(twin, domain, otherwise));
      twin.put(domain, Twin.ARGUMENTS + 8, source.address());
      twin.put(domain, Twin.ARGUMENTS + 16, which.handle(twin, domain));
      int domid = twin.domid(domain);
      GrantStep.run(
          twin,
          "unmap_and_replace",
          domain,
          REPLACE,
          1,
          24,
          20,
          (at, w) -> twin.model().grants.unmapAndReplace(domid, w));
    }
  }

  /** transfer. */
  record Transfer(int domain, At frame, Named entry) implements GrantStep {
    @Override
    public void run(Twin twin) {
      Grant grant = entry.find(twin, domain, ACCEPT);
      int to = grant.granter.id(twin, domain);
      twin.put(domain, Twin.ARGUMENTS, frame.mfn(twin));
      twin.put(domain, Twin.ARGUMENTS + 8, to | (long) grant.ref << 32);
      twin.put(domain, Twin.ARGUMENTS + 16, 0);
      int domid = twin.domid(domain);
      GrantStep.run(
          twin,
          "transfer",
          domain,
          TRANSFER,
          1,
          24,
          16,
          (at, w) -> twin.model().grants.transfer(domid, w));
    }
  }

  /** A side of a copy: a grant, or a frame of its own, rightly named or not. */
  record Side(Named grant, Whom owner, At frame, boolean isRef, int offset) {
    GrantModel.Side of(Twin twin, int domain) {
      Grant found = grant.find(twin, domain, PERMIT);
      return isRef
          ? new GrantModel.Side(found.ref, found.granter.id(twin, domain), true, offset)
          : new GrantModel.Side(frame.mfn(twin), owner.id(twin, domain), false, offset);
    }
  }

  /** copy. */
  record Copy(int domain, Side from, Side to, int length) implements GrantStep {
    @Override
    public void run(Twin twin) {
      int domid = twin.domid(domain);
      GrantModel.Side source = from.of(twin, domain);
      GrantModel.Side target = to.of(twin, domain);
      if (twin.model().grants.isOpaque(domid, source)
          || twin.model().grants.isOpaque(domid, target)) {
        return;
      }
      twin.put(domain, Twin.ARGUMENTS, source.name());
      twin.put(domain, Twin.ARGUMENTS + 8, source.domid() | (long) from.offset << 16);
      twin.put(domain, Twin.ARGUMENTS + 16, target.name());
      twin.put(domain, Twin.ARGUMENTS + 24, target.domid() | (long) to.offset << 16);
      long flags = (from.isRef ? 1 : 0) | (to.isRef ? 2 : 0);
      twin.put(domain, Twin.ARGUMENTS + 32, length | flags << 16);
      GrantStep.run(
          twin,
          "grant copy",
          domain,
          COPY,
          1,
          40,
          36,
          (at, w) -> twin.model().grants.copy(domid, w));
    }
  }

  /** swap_grant_ref. */
  record Swap(int domain, int a, int b) implements GrantStep {
    @Override
    public void run(Twin twin) {
      twin.put(domain, Twin.ARGUMENTS, a | (long) b << 32);
      twin.put(domain, Twin.ARGUMENTS + 8, 0);
      int domid = twin.domid(domain);
      GrantStep.run(
          twin,
          "swap_grant_ref",
          domain,
          SWAP,
          1,
          12,
          8,
          (at, w) -> twin.model().grants.swap(domid, w));
    }
  }
}
