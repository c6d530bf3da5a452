package dev.domus.engine.jvm.interp;

/** The end of a block that has no jump: goes on with what follows. It stands for no instruction. */
final class Fall extends Jump {
  private final Link link;

  Fall(int at) {
    super(at);
    link = new Link(at);
  }

  @Override
  public Block follow(Cpu c) {
    return link.follow(c);
  }
}
