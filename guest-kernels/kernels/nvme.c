/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nvme: a small driver of an NVMe controller that the domain was given: identifies it, makes queues, writes and reads
 * patterns and checks them, has it try what the domain may not reach, and measures random reads.
 *
 *     reads=N   random reads of 4 KiB for the figure (default 10000)
 *     depth=N   how many are under way at once (default 32, at most 63)
 *
 * It overwrites the first MiB of the namespace. "nvme: ok  NAME" or "nvme: FAIL NAME: ..." a check, a line with the rate,
 * then "nvme: N passed, M failed". Powers off if nothing failed, else crashes. After the NVM Express Base
 * Specification, revision 1.4.
 */
#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "mm.h"
#include "pci.h"
#include "runtime.h"
#include "string.h"
#include "time.h"

#define NVME_CLASS 0x010802
#define WAIT_NS (30 * NS_PER_S)
#define ENTRIES 64 /* of each queue: commands are one page */
#define DATA_PAGES 64

enum { REG_CAP = 0x00, REG_VS = 0x08, REG_CC = 0x14, REG_CSTS = 0x1c, REG_AQA = 0x24, REG_ASQ = 0x28, REG_ACQ = 0x30 };
enum { DOORBELLS = 0x1000 };
enum { CC_ENABLE = 1, CC_ENTRY_SIZES = 6 << 16 | 4 << 20, CC_SHUTDOWN = 1 << 14 };
enum { CREATE_SQ = 1, GET_LOG = 2, CREATE_CQ = 5, IDENTIFY = 6, SET_FEATURES = 9 };
enum { FLUSH = 0, WRITE = 1, READ = 2, COMPARE = 5, WRITE_ZEROES = 8 };
enum { DATA_TRANSFER_ERROR = 0x004, LBA_OUT_OF_RANGE = 0x080, COMPARE_FAILURE = 0x285 };

struct command {
    u8 opcode;
    u8 flags;
    u16 id;
    u32 namespace;
    u64 reserved;
    u64 metadata;
    u64 prp1;
    u64 prp2;
    u32 dword10, dword11, dword12, dword13, dword14, dword15;
};
_Static_assert(sizeof(struct command) == 64, "a command");

struct completion {
    u32 result;
    u32 reserved;
    u16 head;
    u16 queue;
    u16 id;
    u16 status; /* bit 0: phase */
};
_Static_assert(sizeof(struct completion) == 16, "a completion");

struct queue {
    u32 number;
    struct command *commands;
    struct completion *completions;
    u32 tail;
    u32 head;
    u16 phase;
    u16 next_id;
};

static unsigned passed, failed;
static volatile void *registers;
static struct queue admin, io;
static u64 block_bytes, blocks;
static u8 *data[DATA_PAGES];
static u64 *list; /* of data pages after the first one */

static void check(const char *name, u64 expected, u64 got) {
    if (expected == got) {
        passed++;
        printf("nvme: ok  %s\n", name);
    } else {
        failed++;
        printf("nvme: FAIL %s: expected 0x%lx, got 0x%lx\n", name, expected, got);
    }
}

static u64 dma_address(const void *va) {
    return va_to_mfn(va) << PAGE_SHIFT | ((u64)va & (PAGE_SIZE - 1));
}

/* ---- queues ------------------------------------------------------------------------------------------------------ */

static void interrupted(u32 port, void *argument) {
    (void)port;
    (void)argument; /* the queue says what happened */
}

static struct queue queue_alloc(u32 number) {
    return (struct queue){.number = number, .commands = page_alloc(), .completions = page_alloc(), .phase = 1};
}

/* Puts a command into the queue; ring() tells the controller. */
static u16 put(struct queue *queue, struct command command) {
    command.id = queue->next_id++;
    queue->commands[queue->tail] = command;
    queue->tail = (queue->tail + 1) % ENTRIES;
    return command.id;
}

static void ring(const struct queue *queue) {
    mmio_write32(registers, DOORBELLS + 8 * queue->number, queue->tail);
}

static bool is_done(const struct queue *queue) {
    u16 status = READ_ONCE(queue->completions[queue->head].status);
    compiler_barrier(); /* the rest of the entry after its phase */
    return (status & 1) == queue->phase;
}

/* Takes the next completion without telling the controller; the doorbell can be rung for several at once. */
static struct completion take(struct queue *queue) {
    struct completion completion = queue->completions[queue->head];
    queue->head = (queue->head + 1) % ENTRIES;
    queue->phase ^= queue->head == 0;
    return completion;
}

static void ring_head(const struct queue *queue) {
    mmio_write32(registers, DOORBELLS + 8 * queue->number + 4, queue->head);
}

/* A command, done; its status without phase, "more" and "do not retry". */
static u32 run(struct queue *queue, struct command command) {
    u16 id = put(queue, command);
    ring(queue);
    WAIT_UNTIL(is_done(queue));
    struct completion completion = take(queue);
    ring_head(queue);
    if (completion.id != id) {
        panic("nvme: command %u was answered as %u", id, completion.id);
    }
    return completion.status >> 1 & 0x7ff;
}

/* ---- the controller ---------------------------------------------------------------------------------------------- */

static void await_csts(u32 mask, u32 value) {
    u64 deadline = time_now() + WAIT_NS;
    while ((mmio_read32(registers, REG_CSTS) & mask) != value) {
        if (time_now() >= deadline) {
            panic("nvme: CSTS is 0x%x", mmio_read32(registers, REG_CSTS));
        }
    }
}

static void enable(void) {
    mmio_write32(registers, REG_CC, 0);
    await_csts(1, 0);
    admin = queue_alloc(0);
    mmio_write32(registers, REG_AQA, (ENTRIES - 1) | (ENTRIES - 1) << 16);
    mmio_write64(registers, REG_ASQ, dma_address(admin.commands));
    mmio_write64(registers, REG_ACQ, dma_address(admin.completions));
    mmio_write32(registers, REG_CC, CC_ENABLE | CC_ENTRY_SIZES);
    await_csts(3, 1);
}

static u32 identify(u32 what, u32 namespace) {
    return run(&admin, (struct command){
                           .opcode = IDENTIFY, .namespace = namespace, .prp1 = dma_address(data[0]), .dword10 = what});
}

static void identify_all(void) {
    check("identify the controller", 0, identify(1, 0));
    printf("nvme: model \"%.40s\", serial \"%.20s\"\n", (char *)data[0] + 24, (char *)data[0] + 4);
    check("identify the namespaces", 0, identify(2, 0));
    check("namespace 1 is active", 1, *(u32 *)data[0]);
    check("identify the namespace", 0, identify(0, 1));
    u32 format = *(u32 *)(data[0] + 128 + 4 * (data[0][26] & 15));
    block_bytes = 1ul << (format >> 16 & 255);
    blocks = *(u64 *)data[0];
    printf("nvme: %lu blocks of %lu bytes\n", blocks, block_bytes);
}

static void create_queues(void) {
    io = queue_alloc(1);
    check("number of queues", 0, run(&admin, (struct command){.opcode = SET_FEATURES, .dword10 = 7}));
    check("create a completion queue", 0,
          run(&admin, (struct command){.opcode = CREATE_CQ,
                                       .prp1 = dma_address(io.completions),
                                       .dword10 = 1 | (ENTRIES - 1) << 16,
                                       .dword11 = 3 | 1 << 16}));
    check("create a submission queue", 0,
          run(&admin, (struct command){.opcode = CREATE_SQ,
                                       .prp1 = dma_address(io.commands),
                                       .dword10 = 1 | (ENTRIES - 1) << 16,
                                       .dword11 = 1 | 1 << 16}));
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* A command on so many pages of data, from a block on. */
static struct command on_pages(u8 opcode, u64 page, unsigned pages) {
    u64 block = page * (PAGE_SIZE / block_bytes);
    return (struct command){
        .opcode = opcode,
        .namespace = 1,
        .prp1 = dma_address(data[0]),
        .prp2 = pages == 1 ? 0 : pages == 2 ? list[0] : dma_address(list),
        .dword10 = (u32)block,
        .dword11 = (u32)(block >> 32),
        .dword12 = (u32)(pages * (PAGE_SIZE / block_bytes)) - 1,
    };
}

static u64 pattern(u64 page, u64 word) {
    return (page * 0x9e3779b97f4a7c15 ^ word) * 0xff51afd7ed558ccd;
}

static void fill_data(u64 first, unsigned pages) {
    for (u64 i = 0; i < pages; i++) {
        for (u64 word = 0; word < PAGE_SIZE / 8; word++) {
            ((u64 *)data[i])[word] = pattern(first + i, word);
        }
    }
}

/* How many words are not as they were written. */
static u64 wrong_words(u64 first, unsigned pages) {
    u64 wrong = 0;
    for (u64 i = 0; i < pages; i++) {
        for (u64 word = 0; word < PAGE_SIZE / 8; word++) {
            wrong += ((u64 *)data[i])[word] != pattern(first + i, word);
        }
    }
    return wrong;
}

static void clear_data(void) {
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        memset(data[i], 0, PAGE_SIZE);
    }
}

static void check_data(void) {
    static const unsigned sizes[] = {1, 2, 3, 64};
    for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
        char name[48];
        fill_data(i * 64, sizes[i]);
        snprintf(name, sizeof name, "write %u pages", sizes[i]);
        check(name, 0, run(&io, on_pages(WRITE, i * 64, sizes[i])));
    }
    check("flush", 0, run(&io, (struct command){.opcode = FLUSH, .namespace = 1}));
    for (unsigned i = 0; i < ARRAY_LENGTH(sizes); i++) {
        char name[48];
        clear_data();
        snprintf(name, sizeof name, "read %u pages", sizes[i]);
        check(name, 0, run(&io, on_pages(READ, i * 64, sizes[i])));
        snprintf(name, sizeof name, "what was written in %u pages", sizes[i]);
        check(name, 0, wrong_words(i * 64, sizes[i]));
        snprintf(name, sizeof name, "compare %u pages", sizes[i]);
        check(name, 0, run(&io, on_pages(COMPARE, i * 64, sizes[i])));
    }
    data[0][100] ^= 1;
    check("compare something else", COMPARE_FAILURE, run(&io, on_pages(COMPARE, 3 * 64, 64)));
    check("write zeroes", 0, run(&io, on_pages(WRITE_ZEROES, 0, 1)));
    check("read them", 0, run(&io, on_pages(READ, 0, 1)));
    check("zeroes", 0, *(u64 *)(data[0] + 8));
}

static void check_protection(void) {
    struct command command = on_pages(READ, 0, 1);
    check("read beyond the end", LBA_OUT_OF_RANGE, run(&io, on_pages(READ, blocks, 1)));
    command.prp1 = pci_foreign_address();
    check("read into a foreign frame", DATA_TRANSFER_ERROR, run(&io, command));
    command.opcode = WRITE;
    check("write from a foreign frame", DATA_TRANSFER_ERROR, run(&io, command));
    command.opcode = READ;
    command.prp1 = dma_address((const void *)start_info->pt_base);
    u64 entry = *(const u64 *)start_info->pt_base;
    check("read into an own page table", DATA_TRANSFER_ERROR, run(&io, command));
    check("the page table is as it was", entry, READ_ONCE(*(const u64 *)start_info->pt_base));
    check("and it goes on", 0, run(&io, on_pages(READ, 0, 1)));
}

static void measure(u64 reads, u64 depth) {
    u64 pages = blocks / (PAGE_SIZE / block_bytes), asked = 0, done = 0, random = 1, errors = 0;
    u64 start = time_now();
    while (done < reads) {
        for (; asked < reads && asked - done < depth; asked++) {
            random = random * 6364136223846793005 + 1442695040888963407;
            struct command command = on_pages(READ, (random >> 33) % pages, 1);
            command.prp1 = dma_address(data[asked % DATA_PAGES]);
            put(&io, command);
        }
        ring(&io);
        WAIT_UNTIL(is_done(&io));
        for (; is_done(&io); done++) {
            errors += take(&io).status >> 1 != 0;
        }
        ring_head(&io);
    }
    u64 elapsed = time_now() - start;
    check("random reads", 0, errors);
    printf("nvme: %lu reads of %lu bytes, %lu at once, %lu IOPS\n", reads, PAGE_SIZE, depth, reads * NS_PER_S / elapsed);
}

void kernel_main(void) {
    struct pci_function function;
    if (!pci_connect() || !pci_find(NVME_CLASS, &function)) {
        panic("nvme: the domain was given no NVMe controller; give it one: --device nvme@00:04.0,file=PATH --pci 00:04.0");
    }
    registers = pci_enable(&function, 0, 2);
    u32 version = mmio_read32(registers, REG_VS);
    printf("nvme: function %02x:%02x.%u, id %08x, version %u.%u, CAP %016lx\n", function.bus, function.devfn >> 3,
           function.devfn & 7, function.id, version >> 16, version >> 8 & 255, mmio_read64(registers, REG_CAP));
    u32 pirqs[2];
    pci_enable_msix(&function, ARRAY_LENGTH(pirqs), pirqs);
    for (unsigned i = 0; i < ARRAY_LENGTH(pirqs); i++) {
        s64 port = event_bind_pirq(pirqs[i]);
        must_succeed("bind_pirq", port);
        event_set_handler((u32)port, interrupted, NULL);
    }

    list = page_alloc();
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        data[i] = page_alloc();
        if (i > 0) {
            list[i - 1] = dma_address(data[i]);
        }
    }
    enable();
    identify_all();
    create_queues();
    check_data();
    check_protection();
    u64 depth = cmdline_u64("depth", 32);
    measure(cmdline_u64("reads", 10000), depth < ENTRIES ? depth : ENTRIES - 1);
    mmio_write32(registers, REG_CC, CC_ENABLE | CC_ENTRY_SIZES | CC_SHUTDOWN);
    await_csts(0xc, 8);
    mmio_write32(registers, REG_CC, 0);
    await_csts(1, 0);
    printf("nvme: %u passed, %u failed\n", passed, failed);
    if (failed != 0) {
        crash();
    }
}
