/*
 * Loops of the kinds that integer code is made of, for the benchmark of the engine. Entry points take a count and return
 * a checksum; compiled by gcc -O2, run both natively and by the engine.
 */
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

static u8 bytes[65536];
static u32 words[16384];
static struct node { struct node *next; u64 value; } nodes[4096];

u64 crc(u64 n)
{
    u32 c = ~0u;
    for (u64 i = 0; i < n; i++) {
        c ^= (u8)i;
        for (int k = 0; k < 8; k++)
            c = c & 1 ? c >> 1 ^ 0xEDB88320u : c >> 1;
    }
    return c;
}

u64 sieve(u64 n)
{
    u64 count = 0;
    while (n--) {
        for (u32 i = 0; i < sizeof bytes; i++)
            *(volatile u8 *)&bytes[i] = 1;
        for (u32 i = 2; i < sizeof bytes; i++)
            if (bytes[i]) {
                count++;
                for (u32 j = i * 2; j < sizeof bytes; j += i)
                    bytes[j] = 0;
            }
    }
    return count;
}

u64 list(u64 n)
{
    u64 sum = 0;
    for (u32 i = 0; i < 4096; i++) {
        nodes[i].next = &nodes[(i * 1031 + 7) & 4095];
        nodes[i].value = i;
    }
    struct node *p = nodes;
    while (n--) {
        sum += p->value;
        p = p->next;
    }
    return sum;
}

u64 matrix(u64 n)
{
    u32 *a = words, *b = words + 4096, *c = words + 8192;
    for (u32 i = 0; i < 4096; i++)
        a[i] = i * 7, b[i] = i * 13;
    while (n--)
        for (u32 i = 0; i < 64; i++)
            for (u32 j = 0; j < 64; j++) {
                u32 s = 0;
#pragma GCC novector
                for (u32 k = 0; k < 64; k++)
                    s += a[i * 64 + k] * b[k * 64 + j];
                c[i * 64 + j] = s;
            }
    return c[100] + c[4000];
}

static u64 __attribute__((noinline)) step(u64 s, u64 x)
{
    switch (s & 7) {
    case 0: return s + x;
    case 1: return s ^ x << 3;
    case 2: return s * 5 + 1;
    case 3: return s - (x >> 1);
    case 4: return s << 7 | s >> 57;
    case 5: return ~s + x;
    case 6: return s / 3;
    default: return s ^ 0x5555;
    }
}

u64 machine(u64 n)
{
    u64 s = 1;
    for (u64 i = 0; i < n; i++)
        s = step(s, i);
    return s;
}

u64 fib(u64 n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

u64 alu(u64 n)
{
    u64 a = 1, b = 2, c = 3, d = 4;
    do {
        a += b;
        b ^= c;
        c = (c << 1) + d;
        d -= a;
        a ^= d >> 3;
        b += 0x1234;
    } while (--n);
    return a + b + c + d;
}
