/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A wall clock that somebody sets, for tests: preloaded, it adds the seconds that stand
 * in the file TVD_CLOCK (as text, at any time) to CLOCK_REALTIME, and leaves all other
 * clocks alone. The file is mapped at the start: later a program may open none.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE 32 /* bytes of the file */

static const volatile char *offset_text;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("TVD_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	if (map != MAP_FAILED)
		offset_text = map;
	if (fd >= 0)
		close(fd);
}

static time_t offset(void)
{
	char text[FILE_SIZE] = "0";

	for (unsigned i = 0; offset_text && i < FILE_SIZE - 1; i++)
		text[i] = offset_text[i];
	return (time_t)strtol(text, NULL, 10);
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
	int ret = (int)syscall(SYS_clock_gettime, clock, ts);

	if (ret == 0 && clock == CLOCK_REALTIME)
		ts->tv_sec += offset();
	return ret;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	if (out)
		*out = ts.tv_sec;
	return ts.tv_sec;
}
