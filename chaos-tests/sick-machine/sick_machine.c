/* A machine whose wall clock jumps and whose disk fails: preloaded into a program, it does what a file says at every moment.
 *
 * SICK_MACHINE_CONTROL  that file: two 64-bit numbers in the machine's order of octets
 *   first   nanoseconds that are added to CLOCK_REALTIME
 *   second  the error number with which fsync, fdatasync and sync_file_range end without doing anything; 0: they work
 *
 * The monotonic clock is left alone: Linux lets nobody set it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { NANOS = 1000000000 };

static volatile const int64_t *control;

/* A machine that is not sick would make a test that proves nothing: the program ends instead. */
__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("SICK_MACHINE_CONTROL");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, 2 * sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        fprintf(stderr, "sick machine: SICK_MACHINE_CONTROL is not a file that can be read\n");
        exit(2);
    }
    close(fd);
    control = map;
}

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found) {
        fprintf(stderr, "sick machine: no %s\n", name);
        abort();
    }
    return found;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
    static int (*next)(clockid_t, struct timespec *);
    if (!next)
        next = (int (*)(clockid_t, struct timespec *))real("clock_gettime");
    int result = next(clock, time);
    if (result == 0 && clock == CLOCK_REALTIME && control && control[0] != 0) {
        int64_t nanos = time->tv_sec * (int64_t)NANOS + time->tv_nsec + control[0];
        time->tv_sec = nanos / NANOS;
        time->tv_nsec = nanos % NANOS;
    }
    return result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *place)
{
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (place)
        *place = now.tv_sec;
    return now.tv_sec;
}

static int fails(void)
{
    if (!control || control[1] == 0)
        return 0;
    errno = (int)control[1];
    return 1;
}

int fsync(int fd)
{
    return fails() ? -1 : ((int (*)(int))real("fsync"))(fd);
}

int fdatasync(int fd)
{
    return fails() ? -1 : ((int (*)(int))real("fdatasync"))(fd);
}

int sync_file_range(int fd, off64_t offset, off64_t count, unsigned int flags)
{
    if (fails())
        return -1;
    return ((int (*)(int, off64_t, off64_t, unsigned int))real("sync_file_range"))(fd, offset, count, flags);
}
