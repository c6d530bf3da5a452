/** Machine memory: frames, frame table, allocators, P2M and M2P, x86 page walks, windows. */
module dev.domus.memory {
  exports dev.domus.memory;
  exports dev.domus.memory.p2m;
  exports dev.domus.memory.paging;
}
