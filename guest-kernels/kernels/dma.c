/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dma: drives the modelled DMA engine that the domain was given, checks what it does to memory, and has it try what the
 * domain may not reach.
 *
 *     seconds=N   how long to copy for the figure (default 1)
 *
 * "dma: ok  NAME" or "dma: FAIL NAME: ..." a check, a line with the rate, then "dma: N passed, M failed". Powers off if
 * nothing failed, else crashes. Registers and descriptors are those of the manual, RegisterLayout and DescriptorLayout.
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "mm.h"
#include "pci.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define DMA_CLASS 0x080100
#define WAIT_NS (10 * NS_PER_S)

enum {
    REG_ID = 0x00,
    REG_CONTROL = 0x08,
    REG_STATUS = 0x0c,
    REG_RING_BASE = 0x10,
    REG_RING_ORDER = 0x18,
    REG_TAIL = 0x1c,
    REG_HEAD = 0x20,
    REG_INT_CONTROL = 0x24,
    REG_INT_STATUS = 0x28,
    REG_ERROR = 0x2c,
    REG_ERROR_REASON = 0x34,
};
enum { STATUS_DISABLED, STATUS_ENABLED, STATUS_PAUSED, STATUS_ERROR };
enum { COPY = 1, FILL, CRC32C, COMPARE };
enum { DONE = 1, DMA_FAULT = 0x20 };

struct descriptor {
    u8 operation;
    u8 flags;
    u16 zero;
    u32 length;
    u64 source;
    u64 destination;
    u64 next;
    u64 zeros[2];
    u64 result;
    u32 status;
    u32 fault;
};
_Static_assert(sizeof(struct descriptor) == 64, "a descriptor");

#define ORDER 6 /* one page */
#define RING_SIZE (1u << ORDER)

static unsigned passed, failed;
static volatile void *registers;
static struct descriptor *ring;
static u32 tail;
static volatile u32 interrupts;

static void check(const char *name, u64 expected, u64 got) {
    if (expected == got) {
        passed++;
        printf("dma: ok  %s\n", name);
    } else {
        failed++;
        printf("dma: FAIL %s: expected 0x%lx, got 0x%lx\n", name, expected, got);
    }
}

static u64 dma_address(const void *va) {
    return va_to_mfn(va) << PAGE_SHIFT | ((u64)va & (PAGE_SIZE - 1));
}

static void interrupted(u32 port, void *argument) {
    (void)port;
    (void)argument;
    mmio_write32(registers, REG_INT_STATUS, 3);
    interrupts++;
}

static void await_status(u32 status) {
    u64 deadline = time_now() + WAIT_NS;
    while (mmio_read32(registers, REG_STATUS) != status) {
        if (time_now() >= deadline) {
            panic("dma: STATUS is %u and not %u", mmio_read32(registers, REG_STATUS), status);
        }
    }
}

static void enable(void) {
    mmio_write32(registers, REG_CONTROL, 0);
    await_status(STATUS_DISABLED);
    mmio_write64(registers, REG_RING_BASE, dma_address(ring));
    mmio_write32(registers, REG_RING_ORDER, ORDER);
    mmio_write32(registers, REG_CONTROL, 1);
    await_status(STATUS_ENABLED);
    tail = 0;
}

static struct descriptor *put(u8 operation, u32 length, u64 source, u64 destination) {
    struct descriptor *at = &ring[tail];
    *at = (struct descriptor){
        .operation = operation, .flags = 1, .length = length, .source = source, .destination = destination};
    tail = (tail + 1) % RING_SIZE;
    return at;
}

/* Rings, and waits for the interrupt that says that all was done, or that something was wrong. */
static void run(void) {
    u32 before = interrupts;
    mmio_write32(registers, REG_TAIL, tail);
    WAIT_UNTIL(interrupts != before);
    u64 deadline = time_now() + WAIT_NS; /* the first interrupt need not be the last one */
    while (mmio_read32(registers, REG_HEAD) != tail && mmio_read32(registers, REG_STATUS) != STATUS_ERROR) {
        if (time_now() >= deadline) {
            panic("dma: HEAD is %u and not %u", mmio_read32(registers, REG_HEAD), tail);
        }
    }
}

static u32 crc32c(const u8 *bytes, size_t length) {
    u32 crc = ~0u;
    for (size_t i = 0; i < length; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    return ~crc;
}

static void check_operations(u8 *from, u8 *to) {
    for (size_t i = 0; i < PAGE_SIZE; i++) {
        from[i] = (u8)(i * 7 + i / 256);
    }
    struct descriptor *at = put(COPY, PAGE_SIZE - 8, dma_address(from) + 8, dma_address(to));
    run();
    check("copy: done", DONE, READ_ONCE(at->status));
    check("copy: the bytes", 0, (u64)(s64)memcmp(from + 8, to, PAGE_SIZE - 8));
    check("copy: no byte more", 0, to[PAGE_SIZE - 8]);

    at = put(CRC32C, PAGE_SIZE, dma_address(from), 0);
    run();
    check("crc32c", crc32c(from, PAGE_SIZE), READ_ONCE(at->result));

    at = put(COMPARE, 100, dma_address(from) + 8, dma_address(to));
    struct descriptor *differs = put(COMPARE, 100, dma_address(from), dma_address(to));
    run();
    check("compare: the same", 100, READ_ONCE(at->result));
    check("compare: the first difference", 0, READ_ONCE(differs->result));

    at = put(FILL, 64, 0x0123456789abcdef, dma_address(to) + 64);
    run();
    check("fill: done", DONE, READ_ONCE(at->status));
    check("fill: the pattern", 0x0123456789abcdef, *(u64 *)(to + 120));
    check("fill: no byte more", from[128 + 8], to[128]);
}

/* The engine may not read or write it, says so, and works again afterwards. */
static void check_refused(const char *name, u8 operation, u64 source, u64 destination) {
    char what[64];
    struct descriptor *at = put(operation, 64, source, destination);
    run();
    snprintf(what, sizeof what, "%s: stops", name);
    check(what, STATUS_ERROR, mmio_read32(registers, REG_STATUS));
    snprintf(what, sizeof what, "%s: a fault", name);
    check(what, DMA_FAULT, mmio_read32(registers, REG_ERROR));
    snprintf(what, sizeof what, "%s: written back", name);
    check(what, DMA_FAULT, READ_ONCE(at->status));
    printf("dma: %s: reason %u\n", name, mmio_read32(registers, REG_ERROR_REASON));
    enable();
}

static void check_protection(u8 *own) {
    u64 foreign = pci_foreign_address();
    memset(own, 0x5a, PAGE_SIZE);
    check_refused("write to a foreign frame", COPY, dma_address(own), foreign);
    check_refused("read of a foreign frame", COPY, foreign, dma_address(own));
    check("nothing was read", 0x5a, own[0]);

    const u64 *table = (const u64 *)start_info->pt_base;
    u64 entry = table[(u64)own >> 39 & 511];
    check_refused("write to an own page table", FILL, 0, dma_address(table) + ((u64)own >> 39 & 511) * 8);
    check("the page table is as it was", entry, READ_ONCE(table[(u64)own >> 39 & 511]));
    check_refused("write beyond all memory", FILL, 0, 1ul << 51);
}

static void measure(u64 seconds, const u8 *from, const u8 *to) {
    u64 start = time_now(), copied = 0;
    while (time_now() - start < seconds * NS_PER_S) {
        for (unsigned i = 0; i < RING_SIZE / 2; i++) {
            put(COPY, PAGE_SIZE, dma_address(from), dma_address(to))->flags = i == RING_SIZE / 2 - 1;
        }
        run();
        copied += RING_SIZE / 2;
    }
    u64 elapsed = time_now() - start;
    printf("dma: %lu copies of %lu bytes, %lu/s\n", copied, PAGE_SIZE, copied * NS_PER_S / elapsed);
}

void kernel_main(void) {
    struct pci_function function;
    if (!pci_connect() || !pci_find(DMA_CLASS, &function)) {
        panic("dma: the domain was given no DMA engine; give it one: --device dma@00:04.0 --pci 00:04.0");
    }
    registers = pci_enable(&function, 0, 1);
    printf("dma: function %02x:%02x.%u, id %08x, registers %08x\n", function.bus, function.devfn >> 3,
           function.devfn & 7, function.id, mmio_read32(registers, REG_ID));
    s64 port = event_bind_pirq(pci_enable_msi(&function));
    must_succeed("bind_pirq", port);
    event_set_handler((u32)port, interrupted, NULL);

    ring = page_alloc();
    u8 *from = page_alloc(), *to = page_alloc();
    enable();
    mmio_write32(registers, REG_INT_CONTROL, 1);
    check_operations(from, to);
    check_protection(from);
    measure(cmdline_u64("seconds", 1), from, to);
    printf("dma: %u passed, %u failed\n", passed, failed);
    if (failed != 0) {
        crash();
    }
}
