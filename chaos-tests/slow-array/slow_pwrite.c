/* A slow disk array: preloaded into tgtd, it lets some writes to the medium wait before they are done. The data reaches the
 * medium only after the wait, as it may in an array that has queued it: so a write whose initiator is long gone can still
 * overwrite what came after it.
 *
 * SLOW_ARRAY_SEED        which writes wait, and for how long: the same seed gives the same series
 * SLOW_ARRAY_PER_100000  how many of 100000 writes wait
 * SLOW_ARRAY_MIN_MS, SLOW_ARRAY_MAX_MS   for how long
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <time.h>

typedef ssize_t (*pwrite_function)(int, const void *, size_t, off64_t);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t state, share, shortest, longest;
static pwrite_function real;

/* A wrong setting would make an array that is not slow, and a test that proves nothing: the program ends instead. */
static uint64_t setting(const char *name)
{
    const char *text = getenv(name);
    char *end = NULL;
    uint64_t value = text ? strtoull(text, &end, 10) : 0;
    if (!text || *text == 0 || *end != 0) {
        fprintf(stderr, "slow array: %s is not set to a number\n", name);
        exit(2);
    }
    return value;
}

__attribute__((constructor)) static void start(void)
{
    state = setting("SLOW_ARRAY_SEED");
    share = setting("SLOW_ARRAY_PER_100000");
    shortest = setting("SLOW_ARRAY_MIN_MS");
    longest = setting("SLOW_ARRAY_MAX_MS");
    real = (pwrite_function)dlsym(RTLD_NEXT, "pwrite64");
    if (!real || longest < shortest) {
        fprintf(stderr, "slow array: no pwrite64, or SLOW_ARRAY_MAX_MS under SLOW_ARRAY_MIN_MS\n");
        exit(2);
    }
}

/* splitmix64 */
static uint64_t draw(void)
{
    uint64_t z = state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static void wait_or_not(void)
{
    pthread_mutex_lock(&lock);
    int slow = draw() % 100000 < share;
    uint64_t ms = slow ? shortest + draw() % (longest - shortest + 1) : 0;
    pthread_mutex_unlock(&lock);
    if (slow) {
        struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
        while (nanosleep(&time, &time) != 0)
            ;
    }
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset)
{
    wait_or_not();
    return real(fd, data, count, offset);
}

ssize_t pwrite(int fd, const void *data, size_t count, off_t offset)
{
    return pwrite64(fd, data, count, offset);
}
