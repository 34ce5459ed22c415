// SPDX-License-Identifier: BSD-2-Clause
//
// Sends small frames from an interface as fast as it can, or at a rate, and says in
// JSON how many it sent. Part of the bench, which counts what arrives by the
// receiving interface's own counter.
//
//	generate -i IFNAME -s SOURCE -d DESTINATION [-S N] [-D N] [-t SECONDS] [-n FRAMES] [-r RATE]
//
// -S and -D: go through N source or destination addresses, the first of which is
// the one given; the others differ in the last four bytes.
//
// Frames are of 60 bytes and of a type for local experiments: nobody can merge them,
// and the guest that gets them drops them before its stack has work with them, which
// would count as the switch's.
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_LEN 60
#define BATCH	  64
#define ETHERTYPE 0x88b5

struct mac {
	uint8_t byte[ETH_ALEN];
};

static void die(const char *what)
{
	fprintf(stderr, "generate: %s: %s\n", what, errno ? strerror(errno) : "bad argument");
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct mac mac_parse(const char *text)
{
	unsigned int part[ETH_ALEN];
	struct mac mac;

	errno = 0;
	if (sscanf(text, "%x:%x:%x:%x:%x:%x", &part[0], &part[1], &part[2], &part[3], &part[4],
		   &part[5]) != ETH_ALEN)
		die(text);
	for (int i = 0; i < ETH_ALEN; i++)
		mac.byte[i] = (uint8_t)part[i];
	return mac;
}

static double number(const char *text)
{
	char *end;
	double value = strtod(text, &end);

	errno = 0;
	if (*end || value < 0)
		die(text);
	return value;
}

// Writes the address that is n after the first.
static void mac_put(uint8_t *to, const struct mac *first, uint32_t n)
{
	uint32_t low;

	memcpy(&low, &first->byte[2], sizeof(low));
	low = htonl(ntohl(low) + n);
	memcpy(to, first->byte, 2);
	memcpy(to + 2, &low, sizeof(low));
}

static void frame_init(uint8_t *frame)
{
	memset(frame, 0xa5, FRAME_LEN);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
}

static int socket_open(const char *ifname)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex(ifname)};
	int one = 1;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		die(ifname);
	// What is measured is the switch, not the guest's queueing.
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) != 0)
		die("PACKET_QDISC_BYPASS");
	return fd;
}

struct job {
	struct mac source, destination;
	uint32_t sources, destinations;
	double seconds, rate; // 0: no limit
	uint64_t frames;      // 0: no limit
};

static void run(int fd, const struct job *job)
{
	static uint8_t frame[BATCH][FRAME_LEN];
	struct mmsghdr msg[BATCH] = {0};
	struct iovec iov[BATCH];
	uint64_t sent = 0, refused = 0;
	uint32_t source = 0, destination = 0;
	double begin = now(), end = begin;

	for (int i = 0; i < BATCH; i++) {
		frame_init(frame[i]);
		iov[i] = (struct iovec){frame[i], FRAME_LEN};
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	while ((job->seconds <= 0 || end - begin < job->seconds) &&
	       (!job->frames || sent < job->frames)) {
		int count = BATCH, done = 0;

		if (job->frames && job->frames - sent < BATCH)
			count = (int)(job->frames - sent);
		for (int i = 0; i < count; i++) {
			mac_put(frame[i], &job->destination, destination);
			mac_put(frame[i] + ETH_ALEN, &job->source, source);
			destination = destination + 1 < job->destinations ? destination + 1 : 0;
			source = source + 1 < job->sources ? source + 1 : 0;
		}
		while (done < count) {
			int n = sendmmsg(fd, msg + done, (unsigned int)(count - done), 0);

			if (n > 0) {
				done += n;
				sent += (uint64_t)n;
			} else if (errno == ENOBUFS || errno == EAGAIN) {
				// The interface's queue is full. A frame that must arrive waits.
				refused++;
				if (!job->frames)
					done++;
			} else if (errno != EINTR) {
				die("sendmmsg");
			}
		}
		end = now();
		while (job->rate > 0 && (double)sent > (end - begin) * job->rate) {
			usleep(50);
			end = now();
		}
	}
	printf("{\"sent\": %llu, \"refused\": %llu, \"seconds\": %.6f}\n", (unsigned long long)sent,
	       (unsigned long long)refused, end - begin);
}

int main(int argc, char **argv)
{
	struct job job = {.sources = 1, .destinations = 1};
	const char *ifname = NULL;
	int option;

	while ((option = getopt(argc, argv, "i:s:d:S:D:t:n:r:")) != -1) {
		switch (option) {
		case 'i':
			ifname = optarg;
			break;
		case 's':
			job.source = mac_parse(optarg);
			break;
		case 'd':
			job.destination = mac_parse(optarg);
			break;
		case 'S':
			job.sources = (uint32_t)number(optarg);
			break;
		case 'D':
			job.destinations = (uint32_t)number(optarg);
			break;
		case 't':
			job.seconds = number(optarg);
			break;
		case 'n':
			job.frames = (uint64_t)number(optarg);
			break;
		case 'r':
			job.rate = number(optarg);
			break;
		default:
			return 2;
		}
	}
	errno = 0;
	if (!ifname || optind != argc || (job.seconds <= 0 && !job.frames))
		die("-i, and -t or -n");
	run(socket_open(ifname), &job);
	return 0;
}
