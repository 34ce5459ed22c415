// SPDX-License-Identifier: BSD-2-Clause
//
// One UDP packet to and fro: how long a round trip takes, as a distribution. Part of
// the bench.
//
//	pingpong serve ADDRESS PORT			sends back what comes, for ever
//	pingpong ADDRESS PORT SECONDS [GAP]		asks, GAP microseconds after each answer,
//							and prints JSON, in microseconds
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SAMPLES	   4000000 // of 4 bytes; at 5 us each, 20 seconds
#define TIMEOUT_US 200000

static void die(const char *what)
{
	fprintf(stderr, "pingpong: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void serve(int fd, const struct sockaddr_in *at)
{
	if (bind(fd, (const struct sockaddr *)at, sizeof(*at)) != 0)
		die("bind");
	puts("serving");
	fflush(stdout);
	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		uint8_t buf[64];
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len);

		if (n > 0)
			sendto(fd, buf, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

// Waits for the answer to this question; answers to former ones came too late.
static int answered(int fd, uint64_t question)
{
	uint64_t answer;

	for (;;) {
		ssize_t n = recv(fd, &answer, sizeof(answer), 0);

		if (n == (ssize_t)sizeof(answer) && answer == question)
			return 1;
		if (n < 0 && errno != EINTR)
			return 0;
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void ask(int fd, const struct sockaddr_in *at, double seconds, unsigned int gap)
{
	struct timeval timeout = {.tv_usec = TIMEOUT_US};
	uint32_t *sample = malloc(SAMPLES * sizeof(*sample));
	uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
	size_t n = 0, lost = 0;
	double sum = 0;

	if (!sample || connect(fd, (const struct sockaddr *)at, sizeof(*at)) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) != 0)
		die("connect");
	for (uint64_t question = 1; n < SAMPLES; question++) {
		uint64_t sent = now_ns();

		if (sent >= end)
			break;
		if (send(fd, &question, sizeof(question), 0) < 0 || !answered(fd, question)) {
			lost++;
			continue;
		}
		sample[n] = (uint32_t)(now_ns() - sent);
		sum += sample[n++];
		if (gap)
			usleep(gap);
	}
	if (!n) {
		fprintf(stderr, "pingpong: no answer\n");
		exit(1);
	}
	qsort(sample, n, sizeof(*sample), compare);
#define AT(share) ((double)sample[(size_t)((double)(n - 1) * (share))] / 1e3)
	printf("{\"count\": %zu, \"lost\": %zu, \"mean\": %.2f, \"p50\": %.2f, \"p90\": %.2f, "
	       "\"p99\": %.2f, "
	       "\"p999\": %.2f, \"max\": %.2f}\n",
	       n, lost, sum / (double)n / 1e3, AT(0.5), AT(0.9), AT(0.99), AT(0.999), AT(1.0));
	free(sample);
}

int main(int argc, char **argv)
{
	int serving = argc == 4 && strcmp(argv[1], "serve") == 0;
	struct sockaddr_in at = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	if (argc < 4 || argc > 5 || inet_pton(AF_INET, argv[1 + serving], &at.sin_addr) != 1) {
		fprintf(stderr,
			"usage: pingpong serve ADDRESS PORT | ADDRESS PORT SECONDS [GAP]\n");
		return 2;
	}
	at.sin_port = htons((uint16_t)atoi(argv[2 + serving]));
	if (serving)
		serve(fd, &at);
	ask(fd, &at, atof(argv[3]), argc == 5 ? (unsigned int)atoi(argv[4]) : 0);
	return 0;
}
