/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PCI functions that the domain was given, by the PV PCI protocol (pciif.h): configuration space is the backend's, one
 * request at a time through a shared page; registers are I/O frames that the domain may map; messages are physical
 * interrupts that it binds to event channels.
 */
#ifndef PCI_H
#define PCI_H

#include "types.h"

/* Where registers are shown: BAR n of the one device that a kernel drives, 16 MiB each. */
#define PCI_WINDOW 0x0000004000000000

struct pci_function {
    u32 bus;
    u32 devfn;
    u32 id;         /* device << 16 | vendor */
    u32 class_code; /* 24 bits */
};

/* Configuration space, as far as it is used here. */
enum { PCI_ID = 0x00, PCI_COMMAND = 0x04, PCI_CLASS_REVISION = 0x08, PCI_BAR0 = 0x10, PCI_INTERRUPT = 0x3c };
enum { PCI_COMMAND_MEMORY = 2, PCI_COMMAND_MASTER = 4 };

/* Shakes hands with the backend. False if the domain was given no functions. */
bool pci_connect(void);

/* Looks for a function with a class. */
bool pci_find(u32 class_code, struct pci_function *found);

/* size: 1, 2 or 4. A function that is not there reads as ones. */
u32 pci_read(const struct pci_function *function, u32 offset, u32 size);
void pci_write(const struct pci_function *function, u32 offset, u32 size, u32 value);

/* Memory and bus mastering on; shows BAR n, so many pages of it. */
volatile void *pci_enable(const struct pci_function *function, unsigned bar, unsigned pages);

/* Physical interrupts of the function's MSI, or of so many MSI-X vectors, 0 up. Panics if there are none. */
u32 pci_enable_msi(const struct pci_function *function);
void pci_enable_msix(const struct pci_function *function, u32 count, u32 *pirqs);

/* Registers: stores in order, and not joined or split by the compiler. */
static inline u32 mmio_read32(const volatile void *base, u32 offset) {
    return *(const volatile u32 *)((const volatile char *)base + offset);
}

static inline u64 mmio_read64(const volatile void *base, u32 offset) {
    return *(const volatile u64 *)((const volatile char *)base + offset);
}

static inline void mmio_write32(volatile void *base, u32 offset, u32 value) {
    compiler_barrier(); /* what was written to memory before, the device sees after this */
    *(volatile u32 *)((volatile char *)base + offset) = value;
}

static inline void mmio_write64(volatile void *base, u32 offset, u64 value) {
    compiler_barrier();
    *(volatile u64 *)((volatile char *)base + offset) = value;
}

/*
 * A machine address that the domain may not reach by DMA: the frame is another's, or nobody's. Only looked up, never
 * touched.
 */
u64 pci_foreign_address(void);

#endif
