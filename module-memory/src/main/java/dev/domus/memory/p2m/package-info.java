/**
 * Guest-physical maps: which machine frame, or what else, stands behind each guest frame number of
 * a translated domain, as service domains are, or of a device behind an IOMMU.
 *
 * <p>{@link dev.domus.memory.p2m.RadixP2m} is the map, {@link dev.domus.memory.p2m.P2mEntry} what a
 * lookup answers, {@link dev.domus.memory.p2m.P2mType} the kinds of entry. Direct-paged guests use
 * {@link dev.domus.memory.PhysToMachine}, which is a list and no translation. Nothing here takes
 * references on frames or flushes anything: whoever changes a map does.
 */
package dev.domus.memory.p2m;
