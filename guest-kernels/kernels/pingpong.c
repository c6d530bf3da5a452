/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pingpong: two domains, one shared page, one event channel; how long does a round trip take, and is the data right?
 *
 *     role=server   owns the page; answers
 *     role=client   maps it; asks, checks, measures
 *     role=self     both ends in one domain: grants and events without a second domain
 *     peer=N        the other's domain id
 *     rounds=N      the client's number of round trips (default 1000)
 *     vcpus=N       how many vCPUs play (default 1, both sides alike): each has a page, a channel and its share of the
 *                   rounds, and waits for its port by polling; a single one waits for an upcall
 *     no-store      there is a xenstore ring, but nobody serves it
 *     ref=N port=N  the client's way in when there is no xenstore: what the server printed for its first vCPU; those of
 *                   the others come behind it, in order
 *
 * Rendezvous: the server writes "ref=N port=N" to data/pingpong, a node of its own subtree, and lets the client read
 * it. One node, so that the client sees both numbers or none.
 */
#include "kernels/pingpong/cpu.h"

#include "cmdline.h"
#include "console.h"
#include "events.h"
#include "grants.h"
#include "mm.h"
#include "runtime.h"
#include "string.h"
#include "time.h"
#include "xenstore.h"

#define NODE "data/pingpong"
#define WORDS 64
#define LOOK_AGAIN_NS (500 * NS_PER_MS)
#define RENDEZVOUS_LIMIT_NS (60 * NS_PER_S)
#define UNMAP_LIMIT_NS (10 * NS_PER_S)

/* The shared page. Each side writes the words while the other waits; its number, written last, hands them over. */
struct page {
    u32 asked;    /* the client's: rounds asked so far */
    u32 answered; /* the server's: rounds answered so far */
    u32 goodbye;  /* the client's: no more rounds, the page will be unmapped */
    u32 pad;
    u64 words[WORDS];
};

/* One side's view. */
struct end {
    struct page *page;
    u32 port;
    u32 grant;   /* the server's reference, the client's map handle */
    bool polled; /* the port has no handler, and is polled for */
};

/* One for each vCPU. */
static struct end ends[MAX_CPUS];
static u32 cpu_count, rounds_a_cpu, rounds_answered[MAX_CPUS];

/* Blocks until the condition, which an event of this end announces, holds. */
#define AWAIT(end, condition)                  \
    do {                                       \
        if (!(end)->polled) {                  \
            WAIT_UNTIL(condition);             \
            break;                             \
        }                                      \
        for (;;) {                             \
            event_clear((end)->port);          \
            if (condition) {                   \
                break;                         \
            }                                  \
            event_poll((end)->port, 0);        \
        }                                      \
    } while (0)

static bool use_store(void) {
    return xs_present() && !cmdline_has("no-store");
}


/* What word i holds in a round; answers hold the complement. */
static u64 question(u32 round, unsigned i) {
    return (round * 0x9e3779b97f4a7c15ul) ^ i;
}

static void woken(u32 port, void *argument) {
    (void)port;
    (void)argument; /* the page says what happened */
}

static void attend(struct end *end) {
    end->polled = cpu_count > 1;
    if (!end->polled) {
        event_set_handler(end->port, woken, NULL);
    }
}

static struct end listen_to(u16 peer) {
    struct end end = {.page = page_alloc()};
    s64 ref = grant_access(peer, end.page, false);
    must_succeed("grant_access", ref);
    s64 port = event_alloc_unbound(peer);
    must_succeed("alloc_unbound", port);
    end.grant = (u32)ref;
    end.port = (u32)port;
    attend(&end);
    printf("pingpong: server: offers ref=%u port=%u to domain %u\n", end.grant, end.port, peer);
    return end;
}

static struct end connect_to(u16 peer, u32 ref, u32 remote_port) {
    struct end end = {.page = page_alloc()};
    s64 status = grant_map(peer, ref, end.page, false, &end.grant);
    if (status != 0) {
        panic("mapping grant %u of domain %u: status %ld", ref, peer, status);
    }
    s64 port = event_bind_interdomain(peer, remote_port);
    must_succeed("bind_interdomain", port);
    end.port = (u32)port;
    attend(&end);
    printf("pingpong: client: mapped ref=%u of domain %u, its port=%u is port %u here\n", ref, peer, remote_port, end.port);
    return end;
}

static void ask(const struct end *client, u32 round) {
    for (unsigned i = 0; i < WORDS; i++) {
        client->page->words[i] = question(round, i);
    }
    __atomic_store_n(&client->page->asked, round, __ATOMIC_RELEASE);
    event_send(client->port);
}

/* Panics at the first word that is not what question() says, once flip is taken off. */
static void check(const struct end *end, u32 round, u64 flip) {
    for (unsigned i = 0; i < WORDS; i++) {
        u64 got = end->page->words[i] ^ flip;
        if (got != question(round, i)) {
            panic("round %u, word %u: expected %016lx, got %016lx", round, i, question(round, i), got);
        }
    }
}

static void answer(const struct end *server, u32 round) {
    check(server, round, 0);
    for (unsigned i = 0; i < WORDS; i++) {
        server->page->words[i] = ~server->page->words[i];
    }
    __atomic_store_n(&server->page->answered, round, __ATOMIC_RELEASE);
    event_send(server->port);
}

static bool is_asked(const struct end *server, u32 round) {
    return __atomic_load_n(&server->page->asked, __ATOMIC_ACQUIRE) == round;
}

static bool is_answered(const struct end *client, u32 round) {
    return __atomic_load_n(&client->page->answered, __ATOMIC_ACQUIRE) == round;
}

static bool is_goodbye(const struct end *server) {
    return __atomic_load_n(&server->page->goodbye, __ATOMIC_ACQUIRE) != 0;
}

/* The last event goes out when the page is unmapped, so that it finds the server able to take the grant back. */
static void leave(const struct end *client) {
    __atomic_store_n(&client->page->goodbye, 1, __ATOMIC_RELEASE);
    s64 status = grant_unmap(client->page, client->grant);
    if (status != 0) {
        panic("unmapping the grant: status %ld", status);
    }
    event_send(client->port);
    must_succeed("evtchn_close", event_close(client->port));
}

/* While the client has the page, the reference cannot be taken back. */
static void expect_grant_in_use(const struct end *server) {
    if (!grant_in_use(server->grant) || grant_end(server->grant) != -EBUSY) {
        panic("grant %u is mapped, and does not say so", server->grant);
    }
}

static void take_back(const struct end *server) {
    u64 deadline = time_now() + UNMAP_LIMIT_NS;
    while (grant_end(server->grant) != 0) {
        if (time_now() >= deadline) {
            panic("grant %u is still in use", server->grant);
        }
        time_sleep_until(time_now() + NS_PER_MS);
    }
    must_succeed("evtchn_close", event_close(server->port));
    printf("pingpong: server: grant %u taken back, not in use\n", server->grant);
}

static void print_result(u32 rounds, u64 elapsed) {
    printf("pingpong: client: %u rounds, %lu ns/round trip, data ok\n", rounds, rounds == 0 ? 0 : elapsed / rounds);
    if (cpu_count > 1 && elapsed != 0) {
        printf("pingpong: client: %u vCPUs, %lu round trips/s, %lu ns each\n", cpu_count, rounds * NS_PER_S / elapsed,
               rounds == 0 ? 0 : elapsed * cpu_count / rounds);
    }
}

static bool has_request(const struct end *server, u32 round) {
    return is_asked(server, round) || is_goodbye(server);
}

/*
 * Until the client comes. A xenstore forgets permissions for a domain that does not exist yet, lest its number go to
 * somebody else later; so they are set again and again, and the client may be started second.
 */
static void advertise(u16 peer) {
    const struct end *first = &ends[0];
    char value[32 * MAX_CPUS];
    size_t length = 0;
    for (u32 i = 0; i < cpu_count; i++) {
        snprintf(value + length, sizeof value - length, "%sref=%u port=%u", i == 0 ? "" : " ", ends[i].grant, ends[i].port);
        length = strlen(value);
    }
    must_succeed("writing " NODE, xs_write(NODE, value));
    while (!has_request(first, 1)) {
        must_succeed("sharing " NODE, xs_share_with(NODE, peer));
        u64 again = time_now() + LOOK_AGAIN_NS;
        if (first->polled) {
            event_clear(first->port);
            if (!has_request(first, 1)) {
                event_poll(first->port, again);
            }
        } else {
            time_set_timer(again);
            WAIT_UNTIL(has_request(first, 1) || time_now() >= again);
        }
    }
}

/* The server on one vCPU. */
static void serve(u32 id) {
    const struct end *server = &ends[id];
    u32 round = 0;
    for (;;) {
        AWAIT(server, has_request(server, round + 1));
        if (is_goodbye(server)) {
            break;
        }
        if (round == 0) {
            expect_grant_in_use(server);
        }
        answer(server, ++round);
    }
    rounds_answered[id] = round;
}

static void on_all_cpus(void (*function)(u32 id)) {
    for (u32 id = 1; id < cpu_count; id++) {
        cpu_start(id, function);
    }
    function(0);
    for (u32 id = 1; id < cpu_count; id++) {
        cpu_join(id);
    }
}

static void run_server(u16 peer) {
    for (u32 i = 0; i < cpu_count; i++) {
        ends[i] = listen_to(peer);
    }
    if (use_store()) {
        advertise(peer);
    }
    on_all_cpus(serve);

    u32 total = 0;
    for (u32 i = 0; i < cpu_count; i++) {
        total += rounds_answered[i];
    }
    printf("pingpong: server: answered %u rounds\n", total);
    for (u32 i = 0; i < cpu_count; i++) {
        take_back(&ends[i]);
    }
    if (use_store()) {
        must_succeed("removing " NODE, xs_rm(NODE));
    }
}

struct way {
    u32 ref, port;
};

/* Reads the server's node until it is there and may be read; setting its permissions fires the watch too. */
static void look_up(u16 peer, struct way ways[]) {
    char path[64], value[32 * MAX_CPUS];
    u64 deadline = time_now() + RENDEZVOUS_LIMIT_NS;
    snprintf(path, sizeof path, "/local/domain/%u/" NODE, peer);
    must_succeed("watching the server's node", xs_watch(path, "pingpong"));
    for (;;) {
        s64 length = xs_read(path, value, sizeof value);
        if (length > 0) {
            break;
        }
        if (time_now() >= deadline) {
            panic("%s: %ld after %lu s", path, length, RENDEZVOUS_LIMIT_NS / NS_PER_S);
        }
        xs_wait(time_now() + LOOK_AGAIN_NS); /* events come only for what we may read */
    }
    must_succeed("unwatching", xs_unwatch(path, "pingpong"));

    const char *rest = value;
    for (u32 i = 0; i < cpu_count; i++) {
        if (*rest == 0) {
            panic("the server has %u vCPUs, and this side %u", i, cpu_count);
        }
        ways[i].ref = (u32)parse_u64(rest + (i == 0 ? 0 : 1) + strlen("ref="), &rest);
        ways[i].port = (u32)parse_u64(rest + strlen(" port="), &rest);
    }
}

/* The client on one vCPU. */
static void play(u32 id) {
    const struct end *client = &ends[id];
    for (u32 round = 1; round <= rounds_a_cpu; round++) {
        ask(client, round);
        AWAIT(client, is_answered(client, round));
        check(client, round, ~0ul);
    }
}

static void run_client(u16 peer, u32 rounds) {
    struct way ways[MAX_CPUS];
    if (cmdline_has("ref") || !use_store()) {
        for (u32 i = 0; i < cpu_count; i++) {
            ways[i].ref = (u32)cmdline_u64("ref", 8) + i;
            ways[i].port = (u32)cmdline_u64("port", 0) + i;
        }
    } else {
        look_up(peer, ways);
    }
    for (u32 i = 0; i < cpu_count; i++) {
        ends[i] = connect_to(peer, ways[i].ref, ways[i].port);
    }

    rounds_a_cpu = rounds / cpu_count;
    u64 start = time_now();
    on_all_cpus(play);
    print_result(rounds_a_cpu * cpu_count, time_now() - start);
    for (u32 i = 0; i < cpu_count; i++) {
        leave(&ends[i]);
    }
}

static void run_self(u32 rounds) {
    u16 self = domain_id();
    struct end server = listen_to(self);
    struct end client = connect_to(self, server.grant, server.port);
    expect_grant_in_use(&server);

    u64 start = time_now();
    for (u32 round = 1; round <= rounds; round++) {
        ask(&client, round);
        WAIT_UNTIL(is_asked(&server, round));
        answer(&server, round);
        WAIT_UNTIL(is_answered(&client, round));
        check(&client, round, ~0ul);
    }
    print_result(rounds, time_now() - start);
    leave(&client);
    take_back(&server);
}

void kernel_main(void) {
    char role[8];
    cmdline_string("role", role, sizeof role);
    u16 peer = (u16)cmdline_u64("peer", 0);
    u32 rounds = (u32)cmdline_u64("rounds", 1000);
    cpu_count = (u32)cmdline_u64("vcpus", 1);
    if (cpu_count == 0 || cpu_count > MAX_CPUS) {
        panic("vcpus=%u on the command line; it must be 1 to %u", cpu_count, MAX_CPUS);
    }

    if (strcmp(role, "self") == 0 && cpu_count != 1) {
        panic("role=self plays on one vCPU");
    } else if (strcmp(role, "server") == 0) {
        run_server(peer);
    } else if (strcmp(role, "client") == 0) {
        run_client(peer, rounds);
    } else if (strcmp(role, "self") == 0) {
        run_self(rounds);
    } else {
        panic("role=\"%s\" on the command line; it must be server, client or self", role);
    }
    printf("pingpong: done\n");
}
