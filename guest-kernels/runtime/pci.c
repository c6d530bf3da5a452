/* SPDX-License-Identifier: Apache-2.0 */
/* The frontend of the PV PCI protocol. */
#include "pci.h"

#include "console.h"
#include "events.h"
#include "grants.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"
#include "xenstore.h"

#define FRONTEND "device/pci/0"
#define MAGIC "7"
#define CONNECT_LIMIT_NS (60 * NS_PER_S)
#define ANSWER_LIMIT_NS (10 * NS_PER_S)
#define LOOK_AGAIN_NS (500 * NS_PER_MS)

/* States of either end, as in all Xen protocols. */
enum { INITIALISED = 3, CONNECTED = 4, CLOSING = 5 };

enum { CONF_READ = 0, CONF_WRITE = 1, ENABLE_MSI = 2, ENABLE_MSIX = 4 };
enum { DEVICE_NOT_FOUND = -1 };
enum { ACTIVE = 1 }; /* in flags: a request is pending */

#define MAX_VECTORS 128

struct pci_op {
    u32 cmd;
    s32 err;
    u32 domain;
    u32 bus;
    u32 devfn;
    s32 offset;
    s32 size;
    u32 value;
    u32 info;
    struct {
        u16 vector;
        u16 entry;
    } msix[MAX_VECTORS];
};
_Static_assert(sizeof(struct pci_op) == 548, "as the protocol has it");

struct shared_page {
    u32 flags;
    struct pci_op op;
};
_Static_assert(offsetof(struct shared_page, op) == 4, "as the protocol has it");

static struct shared_page *shared;
static u32 port;

/* ---- the handshake ---------------------------------------------------------------------------------------------- */

static void write_number(const char *name, u64 value) {
    char path[64], text[24];
    snprintf(path, sizeof path, FRONTEND "/%s", name);
    snprintf(text, sizeof text, "%lu", value);
    must_succeed(path, xs_write(path, text));
}

static u64 read_number(const char *path) {
    char text[24];
    return xs_read(path, text, sizeof text) <= 0 ? 0 : parse_u64(text, NULL);
}

/* Waits until the backend has come to a state. */
static void await_state(const char *backend, u64 wanted) {
    char path[160];
    u64 deadline = time_now() + CONNECT_LIMIT_NS;
    snprintf(path, sizeof path, "%s/state", backend);
    must_succeed("watching the backend", xs_watch(path, "pci"));
    for (;;) {
        u64 state = read_number(path);
        if (state == wanted) {
            break;
        }
        if (state >= CLOSING || time_now() >= deadline) {
            panic("pci: %s is %lu and not %lu", path, state, wanted);
        }
        xs_wait(time_now() + LOOK_AGAIN_NS);
    }
    must_succeed("unwatching", xs_unwatch(path, "pci"));
}

bool pci_connect(void) {
    char backend[128];
    if (!xs_present() || xs_read(FRONTEND "/backend", backend, sizeof backend) <= 0) {
        return false;
    }
    u16 of = (u16)read_number(FRONTEND "/backend-id");
    shared = page_alloc();
    s64 ref = grant_access(of, shared, false);
    must_succeed("grant_access", ref);
    s64 offered = event_alloc_unbound(of);
    must_succeed("alloc_unbound", offered);
    port = (u32)offered;
    write_number("pci-op-ref", (u64)ref);
    write_number("event-channel", port);
    must_succeed("writing magic", xs_write(FRONTEND "/magic", MAGIC));
    write_number("state", INITIALISED);
    await_state(backend, CONNECTED);
    write_number("state", CONNECTED);
    return true;
}

/* ---- requests --------------------------------------------------------------------------------------------------- */

/* Has the backend carry out what is in the page. The port stays masked: nobody is interrupted by an answer. */
static s32 carry_out(void) {
    u64 deadline = time_now() + ANSWER_LIMIT_NS;
    event_clear(port);
    __atomic_fetch_or(&shared->flags, ACTIVE, __ATOMIC_SEQ_CST);
    event_send(port);
    while (__atomic_load_n(&shared->flags, __ATOMIC_ACQUIRE) & ACTIVE) {
        u64 now = time_now();
        if (now >= deadline) {
            panic("pci: the backend does not answer request %u", shared->op.cmd);
        }
        event_poll(port, now + LOOK_AGAIN_NS < deadline ? now + LOOK_AGAIN_NS : deadline);
        event_clear(port);
    }
    return shared->op.err;
}

static struct pci_op *request(u32 cmd, const struct pci_function *function) {
    memset(&shared->op, 0, sizeof shared->op);
    shared->op.cmd = cmd;
    shared->op.bus = function->bus;
    shared->op.devfn = function->devfn;
    return &shared->op;
}

u32 pci_read(const struct pci_function *function, u32 offset, u32 size) {
    struct pci_op *op = request(CONF_READ, function);
    op->offset = (s32)offset;
    op->size = (s32)size;
    s32 error = carry_out();
    if (error == DEVICE_NOT_FOUND) {
        return ~0u;
    }
    must_succeed("reading configuration space", error);
    return op->value;
}

void pci_write(const struct pci_function *function, u32 offset, u32 size, u32 value) {
    struct pci_op *op = request(CONF_WRITE, function);
    op->offset = (s32)offset;
    op->size = (s32)size;
    op->value = value;
    must_succeed("writing configuration space", carry_out());
}

bool pci_find(u32 class_code, struct pci_function *found) {
    for (u32 device = 0; device < 32; device++) {
        struct pci_function function = {.devfn = device << 3};
        function.id = pci_read(&function, PCI_ID, 4);
        if (function.id != ~0u) {
            function.class_code = pci_read(&function, PCI_CLASS_REVISION, 4) >> 8;
            if (function.class_code == class_code) {
                *found = function;
                return true;
            }
        }
    }
    return false;
}

/* ---- registers and interrupts ----------------------------------------------------------------------------------- */

volatile void *pci_enable(const struct pci_function *function, unsigned bar, unsigned pages) {
    u32 command = pci_read(function, PCI_COMMAND, 2);
    pci_write(function, PCI_COMMAND, 2, command | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    u64 low = pci_read(function, PCI_BAR0 + 4 * bar, 4);
    u64 high = (low & 6) == 4 ? pci_read(function, PCI_BAR0 + 4 * bar + 4, 4) : 0;
    u64 first = (high << 32 | (low & ~15ul)) >> PAGE_SHIFT;
    char *window = (char *)PCI_WINDOW + ((u64)bar << 24);
    for (u64 i = 0; i < pages; i++) {
        must_succeed("mapping registers", mm_map_io(window + i * PAGE_SIZE, first + i));
    }
    return window;
}

u32 pci_enable_msi(const struct pci_function *function) {
    struct pci_op *op = request(ENABLE_MSI, function);
    must_succeed("enabling MSI", carry_out());
    return op->value;
}

void pci_enable_msix(const struct pci_function *function, u32 count, u32 *pirqs) {
    if (count > MAX_VECTORS) {
        panic("pci: %u vectors are more than a request holds", count);
    }
    struct pci_op *op = request(ENABLE_MSIX, function);
    op->value = count;
    for (u32 i = 0; i < count; i++) {
        op->msix[i].entry = (u16)i;
    }
    must_succeed("enabling MSI-X", carry_out());
    for (u32 i = 0; i < count; i++) {
        pirqs[i] = op->msix[i].vector;
    }
}

/* ---- what is not ours ------------------------------------------------------------------------------------------- */

static bool is_own(u64 mfn) {
    const u64 *frames = (const u64 *)start_info->mfn_list;
    for (u64 pfn = 0; pfn < start_info->nr_pages; pfn++) {
        if (frames[pfn] == mfn) {
            return true;
        }
    }
    return false;
}

u64 pci_foreign_address(void) {
    u64 mfn = 16; /* low memory, where a small domain has nothing */
    while (is_own(mfn)) {
        mfn++;
    }
    return mfn << PAGE_SHIFT;
}
