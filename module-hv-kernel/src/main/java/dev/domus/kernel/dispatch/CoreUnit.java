package dev.domus.kernel.dispatch;

/**
 * What is scheduled in a pool of cores: as many vCPUs of one domain as a core has pCPUs, with
 * consecutive numbers. It is runnable while any of them is, and they have a core or none; see
 * {@link Core}.
 *
 * <p>The vCPUs keep their own {@link DispatchUnit}s, which the kernel wakes, pauses and removes as
 * ever. These tell the unit they are a part of ({@link #memberChanged}) instead of a run queue.
 * What the unit wants is computed from what they want, so it has no state of its own that could
 * disagree with theirs.
 *
 * <p>Its weight, cap and parameters are those of its first vCPU. Its affinity is the cores all of
 * whose pCPUs all of its vCPUs allow, in the numbers of the leaders: {@link Gangs#combine}.
 *
 * <p>A vCPU is added at any time, since a new one sleeps. One that leaves, because it is removed or
 * goes to another pool, first makes the unit leave its core; it is let go in {@link #regroup}, with
 * the lock of the run queue, when no place has it in its hands.
 */
final class CoreUnit extends DispatchUnit {
  private final Gang gang;

  /** A vCPU is to leave. */
  private volatile boolean regrouping;

  CoreUnit(Seat seat, Gang gang, int domid, int firstVcpu, UnitParams params, long nowNanos) {
    super(seat, gang, domid, firstVcpu, params, nowNanos);
    this.gang = gang;
  }

  Gang gang() {
    return gang;
  }

  /** Wake, pause, resume, removal, move: a vCPU's markDirty. Any thread. */
  void memberChanged(DispatchUnit member) {
    if (!gang.has(member)) {
      return; // it has left, or is not quite here: then it says so once more
    }
    if (member.isLeaving()) {
      regrouping = true;
      leaveCpu();
      return;
    }
    Pcpu cpu = on;
    if (cpu != null) {
      cpu.core.places[gang.placeOf(member)].nudge();
    } else {
      markDirty();
    }
  }

  /** What the operator wants of its vCPUs has changed. Any thread. */
  void recombine() {
    UnitParams combined = seat.pool.gangs().combine(this);
    if (!combined.equals(params())) {
      wants(combined);
    }
  }

  @Override
  void adaptToPool() {
    foresee(seat.pool.gangs().combine(this));
  }

  @Override
  void regroup(long nowNanos) {
    if (regrouping) {
      regrouping = false;
      for (int i = 0; i < gang.size(); i++) {
        DispatchUnit member = gang.member(i);
        if (member != null && member.isLeaving()) {
          removing |= seat.pool.gangs().letGo(this, member); // it was the last
          if (member.removing) {
            member.endMove();
            member.enterWaitingState(nowNanos);
          } else {
            member.settle(member.destination());
          }
        }
      }
      if (!removing) {
        recombine();
      }
    }
  }

  @Override
  public int vcpus() {
    int count = 0;
    for (int i = 0; i < gang.size(); i++) {
      count += gang.member(i) != null ? 1 : 0;
    }
    return count;
  }

  @Override
  boolean wantsCpu() {
    return !paused() && !removing && gang.anyMayRun();
  }

  @Override
  boolean mustLeave() {
    return regrouping || super.mustLeave();
  }

  @Override
  boolean fallAsleep(boolean offline) {
    return !wantsCpu();
  }

  @Override
  int waitingState() {
    return wantsCpu() ? RunstateInfo.RUNNABLE : sleepingState();
  }

  /** Blocked while any vCPU is. */
  @Override
  int sleepingState() {
    for (int i = 0; i < gang.size(); i++) {
      DispatchUnit member = gang.member(i);
      if (member != null && member.sleepingState() == RunstateInfo.BLOCKED) {
        return RunstateInfo.BLOCKED;
      }
    }
    return RunstateInfo.OFFLINE;
  }

  @Override
  void enterWaitingState(long nowNanos) {
    super.enterWaitingState(nowNanos);
    for (int i = 0; i < gang.size(); i++) {
      DispatchUnit member = gang.member(i);
      if (member != null) {
        member.enterWaitingState(nowNanos);
      }
    }
  }

  /** The places record when its vCPUs come and go. */
  @Override
  boolean isTraced() {
    return false;
  }
}
