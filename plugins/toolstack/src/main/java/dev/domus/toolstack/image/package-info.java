/**
 * Guest kernel images as files: what is read from them, checked, and said about them when they are
 * wrong. Knows ELF and Xen's notes, nothing of domains or memory. Start at {@link
 * dev.domus.toolstack.image.KernelImage}.
 *
 * <p>Images are hostile. Every header is read once into a record and checked there; sizes and
 * addresses are unsigned 64-bit numbers and are compared so before anything is computed from them.
 *
 * <p>ELF is read here and not by a library, since each complaint has to name the field and the
 * value that are wrong, and the part of ELF that matters is two tables.
 */
package dev.domus.toolstack.image;
