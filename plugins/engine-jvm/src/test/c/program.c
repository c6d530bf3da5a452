/*
 * A program of the everyday kind, statically linked with the C library: run natively and by the engine, with the same output.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static unsigned long state = 88172645463325252ul;

static unsigned long next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void matrices(void)
{
    static float a[40][40], b[40][40], c[40][40];
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++)
            a[i][j] = (float)(next() % 1000) / 7, b[i][j] = (float)(next() % 1000) / 11;
    for (int i = 0; i < 40; i++)
        for (int j = 0; j < 40; j++) {
            float s = 0;
            for (int k = 0; k < 40; k++)
                s += a[i][k] * b[k][j];
            c[i][j] = s;
        }
    printf("matrix %a %a %a\n", c[0][0], c[17][3], c[39][39]);
}

static void strings(void)
{
    char *text = malloc(100000), *copy = malloc(100000);
    for (int i = 0; i < 99999; i++)
        text[i] = 'a' + next() % 26;
    text[99999] = 0;
    memcpy(copy, text, 100000);
    memmove(copy + 13, copy, 5000);
    int count = 0;
    for (char *p = text; (p = strstr(p, "ab")); p++)
        count++;
    printf("strings %zu %d %d %s\n", strlen(copy), count, strcmp(text, copy), strpbrk(text, "xyz") ? "found" : "none");
    unsigned long hash = 5381;
    for (int i = 0; i < 100000; i++)
        hash = hash * 33 ^ (unsigned char)copy[i];
    printf("hash %lu\n", hash);
    free(text);
    free(copy);
}

int main(int argc, char **argv)
{
    double values[2000];
    for (int i = 0; i < 2000; i++)
        values[i] = (double)(long)next() / (1ul << 40);
    qsort(values, 2000, sizeof *values, by_value);
    printf("sorted %.17g %.17g %g\n", values[0], values[999], values[1999]);
    printf("parsed %.20g %g %ld\n", strtod("3.14159265358979323846e-5", 0), atof("1e308"), strtol("-123456789012", 0, 0));
    printf("math %.15g %.15g %.15g %.15g\n", sin(1.5), exp(2.25), pow(1.7, 13.3), sqrt(2));
    long double x = 1.0L / 3;
    printf("long double %.20Lg %La\n", x * 7, x);
    printf("integers %d %lx %lld %o\n", -42, ~0ul / 7, (long long)next() / 12345, 511);
    printf("rounding %ld %ld %f\n", lrint(2.5), lround(-2.5), rint(3.5));
    matrices();
    strings();
    __int128 wide = (__int128)next() * next() / 1000003;
    printf("wide %lx%016lx\n", (long)(wide >> 64), (long)wide);
    printf("%s %d\n", argv[0], argc);
    return 7;
}
