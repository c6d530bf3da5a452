/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/net/netfront.h"

#include "console.h"
#include "events.h"
#include "grants.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"
#include "xenstore.h"

#define RING 256
#define POSTED 128 /* receive buffers: the rest of the grant table's 504 entries is for sending */
#define TX_PAGES 64
#define CONNECT_LIMIT_NS (20 * NS_PER_S)

enum { STATE_INITWAIT = 2, STATE_CONNECTED = 4, STATE_CLOSING = 5, STATE_CLOSED = 6 };
enum { TX_CSUM_BLANK = 1, TX_DATA_VALIDATED = 2, TX_MORE_DATA = 4, TX_EXTRA_INFO = 8 };
enum { RX_DATA_VALIDATED = 1, RX_CSUM_BLANK = 2, RX_MORE_DATA = 4, RX_EXTRA_INFO = 8 };
enum { EXTRA_GSO = 1, GSO_TCP4 = 1, EXTRA_MORE = 1 };

struct tx_request {
    u32 ref;
    u16 offset, flags, id, size;
};
ASSERT_SIZE(struct tx_request, 12);

struct rx_request {
    u16 id, pad;
    u32 ref;
};
struct rx_response {
    u16 id, offset, flags;
    s16 status;
};
ASSERT_SIZE(struct rx_response, 8);

struct extra {
    u8 type, flags;
    u16 size;
    u8 kind, pad;
    u16 features;
};
ASSERT_SIZE(struct extra, 8);

struct ring {
    u32 req_prod, req_event, rsp_prod, rsp_event;
    u8 private[48];
    u8 slots[];
};

static struct ring *tx, *rx;
static u32 tx_prod, tx_cons, rx_prod, rx_cons, port;
static u16 backend_id;
static char backend[96];
u8 netfront_mac[6];

static u8 *tx_page[TX_PAGES];
static u32 tx_ref[TX_PAGES];
static u16 tx_free[TX_PAGES];
static u32 tx_free_count;

static u8 *rx_page[POSTED];
static u32 rx_ref[POSTED];
static u16 rx_posted[RING]; /* which page's request stands in a slot */

static struct tx_request *tx_slot(u32 index) {
    return (struct tx_request *)tx->slots + index % RING;
}

static void *rx_slot(u32 index) {
    return (struct rx_request *)rx->slots + index % RING;
}

static void woken(u32 number, void *argument) {
    (void)number;
    (void)argument; /* the rings say what happened */
}

static void read_node(const char *path, char *value, size_t size) {
    if (xs_read(path, value, size) <= 0) {
        panic("net: no %s: the domain has no network interface", path);
    }
}

static u64 backend_state(void) {
    char path[128], value[8];
    snprintf(path, sizeof path, "%s/state", backend);
    return xs_read(path, value, sizeof value) > 0 ? parse_u64(value, &(const char *){NULL}) : 0;
}

static void await_state(u64 wanted) {
    char path[128];
    snprintf(path, sizeof path, "%s/state", backend);
    must_succeed("watching the backend", xs_watch(path, "net"));
    u64 deadline = time_now() + CONNECT_LIMIT_NS;
    while (backend_state() != wanted) {
        if (!xs_wait(deadline)) {
            panic("net: the backend's state is %lu, not %lu", backend_state(), wanted);
        }
    }
    xs_unwatch(path, "net");
}

static void write_number(const char *name, u64 value) {
    char path[64], text[24];
    snprintf(path, sizeof path, "device/vif/0/%s", name);
    snprintf(text, sizeof text, "%lu", value);
    must_succeed(path, xs_write(path, text));
}

static struct ring *new_ring(const char *name) {
    struct ring *ring = page_alloc();
    ring->req_event = ring->rsp_event = 1;
    s64 ref = grant_access(backend_id, ring, false);
    must_succeed("granting a ring", ref);
    write_number(name, (u64)ref);
    return ring;
}

static void post(u16 id) {
    rx_posted[rx_prod % RING] = id;
    struct rx_request *request = rx_slot(rx_prod++);
    request->id = id;
    request->ref = rx_ref[id];
}

static void publish_rx(void) {
    u32 old = rx->req_prod;
    __atomic_store_n(&rx->req_prod, rx_prod, __ATOMIC_SEQ_CST);
    if (rx_prod - READ_ONCE(rx->req_event) < rx_prod - old) {
        event_send(port);
    }
}

void netfront_open(bool offload) {
    char value[32];
    read_node("device/vif/0/backend", backend, sizeof backend);
    read_node("device/vif/0/backend-id", value, sizeof value);
    backend_id = (u16)parse_u64(value, &(const char *){NULL});
    read_node("device/vif/0/mac", value, sizeof value);
    for (unsigned i = 0; i < 6; i++) {
        char pair[5] = {'0', 'x', value[3 * i], value[3 * i + 1], 0};
        netfront_mac[i] = (u8)parse_u64(pair, &(const char *){NULL});
    }
    await_state(STATE_INITWAIT);
    tx = new_ring("tx-ring-ref");
    rx = new_ring("rx-ring-ref");
    s64 allocated = event_alloc_unbound(backend_id);
    must_succeed("alloc_unbound", allocated);
    port = (u32)allocated;
    event_set_handler(port, woken, NULL);
    for (u32 i = 0; i < TX_PAGES; i++) {
        tx_page[i] = page_alloc();
        tx_ref[i] = (u32)grant_access(backend_id, tx_page[i], true);
        tx_free[tx_free_count++] = (u16)i;
    }
    for (u16 i = 0; i < POSTED; i++) {
        rx_page[i] = page_alloc();
        rx_ref[i] = (u32)grant_access(backend_id, rx_page[i], false);
        post(i);
    }
    rx->req_prod = rx_prod;
    write_number("event-channel", port);
    write_number("request-rx-copy", 1);
    write_number("feature-rx-notify", 1);
    write_number("feature-sg", offload);
    write_number("feature-gso-tcpv4", offload);
    write_number("feature-no-csum-offload", !offload);
    write_number("state", STATE_CONNECTED);
    await_state(STATE_CONNECTED);
}

static void reap_tx(void) {
    while (tx_cons != __atomic_load_n(&tx->rsp_prod, __ATOMIC_ACQUIRE)) {
        const u16 *response = (const u16 *)tx_slot(tx_cons++);
        if ((s16)response[1] != 1) { /* a slot of extra information has no page */
            tx_free[tx_free_count++] = response[0];
        }
    }
}

bool netfront_send(const u8 *frame, u32 length, struct offload offload) {
    reap_tx();
    u32 pages = (length + PAGE_SIZE - 1) >> PAGE_SHIFT;
    if (pages > tx_free_count || tx_prod - tx_cons + pages + 1 > RING) {
        return false;
    }
    for (u32 i = 0; i < pages; i++) {
        u16 id = tx_free[--tx_free_count];
        u32 part = length - (i << PAGE_SHIFT) < PAGE_SIZE ? length - (i << PAGE_SHIFT) : (u32)PAGE_SIZE;
        memcpy(tx_page[id], frame + (i << PAGE_SHIFT), part);
        *tx_slot(tx_prod++) = (struct tx_request){
            .ref = tx_ref[id],
            .flags = (u16)((i + 1 < pages ? TX_MORE_DATA : 0)
                | (i == 0 && offload.checksum_blank ? TX_CSUM_BLANK | TX_DATA_VALIDATED : 0)
                | (i == 0 && offload.gso_size != 0 ? TX_EXTRA_INFO : 0)),
            .id = id,
            .size = (u16)(i == 0 ? length : part),
        };
        if (i == 0 && offload.gso_size != 0) {
            *(struct extra *)tx_slot(tx_prod++) = (struct extra){.type = EXTRA_GSO, .size = offload.gso_size, .kind = GSO_TCP4};
        }
    }
    u32 old = tx->req_prod;
    __atomic_store_n(&tx->req_prod, tx_prod, __ATOMIC_SEQ_CST);
    if (tx_prod - READ_ONCE(tx->req_event) < tx_prod - old) {
        event_send(port);
    }
    return true;
}

/* One slot with data: copied, and its page posted again. Returns its flags; a length below 0 is an error. */
static u16 take_slot(u8 *frame, u32 *length, bool *bad) {
    struct rx_response response = *(volatile struct rx_response *)rx_slot(rx_cons++);
    if (response.id >= POSTED) {
        panic("net: the backend answers with id %u", response.id);
    }
    if (response.status < 0 || *length + (u32)response.status > FRAME_MAX) {
        *bad = true;
    } else {
        memcpy(frame + *length, rx_page[response.id] + response.offset, (u32)response.status);
        *length += (u32)response.status;
    }
    post(response.id);
    return response.flags;
}

u32 netfront_receive(u8 *frame, struct offload *offload) {
    *offload = (struct offload){0};
    if (rx_cons == __atomic_load_n(&rx->rsp_prod, __ATOMIC_ACQUIRE)) {
        return 0;
    }
    u32 length = 0;
    bool bad = false;
    u16 flags = take_slot(frame, &length, &bad);
    offload->checksum_blank = flags & RX_CSUM_BLANK;
    for (bool more = flags & RX_EXTRA_INFO; more;) {
        /* The request that stood in this slot has not been used: its page goes round again. */
        struct extra extra = *(volatile struct extra *)rx_slot(rx_cons);
        more = extra.flags & EXTRA_MORE;
        if (extra.type == EXTRA_GSO) {
            offload->gso_size = extra.size;
        }
        post(rx_posted[rx_cons++ % RING]);
    }
    while (flags & RX_MORE_DATA) {
        flags = take_slot(frame, &length, &bad);
    }
    publish_rx();
    return bad ? 0 : length;
}

bool netfront_has_work(void) {
    rx->rsp_event = rx_cons + 1;
    tx->rsp_event = tx_cons + 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return READ_ONCE(rx->rsp_prod) != rx_cons || READ_ONCE(tx->rsp_prod) != tx_cons;
}

bool netfront_must_close(void) {
    return backend_state() == STATE_CLOSING;
}

void netfront_close(void) {
    write_number("state", STATE_CLOSED);
    event_close(port);
}
