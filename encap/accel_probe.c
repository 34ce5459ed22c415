/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/accel_probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/accel_cut.h"
#include "encap/bpf.h"
#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"

#define SIZE	 64u /* payload of a segment */
#define SEGMENTS 3u
#define TRIES	 64u /* frames that the host may send to the TAP by itself */

/* Between two made-up hosts, of addresses for documentation. */
static const struct accel_to probe_to = {
    .mac = {{0x02, 0, 0, 0, 0, 0x02}},
    .own_mac = {{0x02, 0, 0, 0, 0, 0x01}},
    .src = {192, 0, 2, 1},
    .dst = {192, 0, 2, 2},
    .ttl = 64,
    .etherip = {0x30, 0x01},
};

/* A superframe of TCP. */
static struct frame *make_super(struct frame_pool *pool, bool v6)
{
	size_t ip_len = v6 ? sizeof(struct ipv6_header) : sizeof(struct ipv4_header);
	size_t header = ETH_HEADER_LEN + ip_len + sizeof(struct tcp_header);
	struct eth_header eth = {{{0x02, 0, 0, 0, 0, 0x12}},
				 {{0x02, 0, 0, 0, 0, 0x11}},
				 htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4)};
	struct tcp_header tcp = {.sport = htons(1), .dport = htons(2), .data_offset = 0x50};
	struct frame *frame = frame_alloc(pool, FRAME_LARGE);
	uint8_t *ip;

	if (!frame)
		return NULL;
	frame->len = (uint32_t)(header + SEGMENTS * SIZE);
	for (uint32_t i = 0; i < frame->len; i++)
		frame->data[i] = (uint8_t)(i * 7);
	memcpy(frame->data, &eth, sizeof(eth));
	ip = frame->data + ETH_HEADER_LEN;
	memset(ip, 0, ip_len);
	ip[0] = v6 ? 0x60 : 0x45;
	if (v6) {
		ip[offsetof(struct ipv6_header, next_header)] = IPPROTO_TCP;
		ip[offsetof(struct ipv6_header, payload_len) + 1] = sizeof(tcp) + SEGMENTS * SIZE;
		ip[offsetof(struct ipv6_header, hop_limit)] = 64;
	} else {
		ip[offsetof(struct ipv4_header, protocol)] = IPPROTO_TCP;
		ip[offsetof(struct ipv4_header, total_len) + 1] =
		    sizeof(struct ipv4_header) + sizeof(tcp) + SEGMENTS * SIZE;
		ip[offsetof(struct ipv4_header, fragment)] = 0x40;
		ip[offsetof(struct ipv4_header, ttl)] = 64;
	}
	tcp.flags = TCP_PSH | 0x10;
	memcpy(ip + ip_len, &tcp, sizeof(tcp));
	frame->offload = (struct frame_offload){
	    .csum_partial = true,
	    .gso = v6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4,
	    .gso_size = SIZE,
	    .csum_start = (uint16_t)(ETH_HEADER_LEN + ip_len),
	    .csum_offset = offsetof(struct tcp_header, checksum),
	};
	return frame;
}

/* What is expected, segment by segment. */
struct probe {
	int tap;
	uint8_t outer[ACCEL_OUTER];
	int result;
};

/* The next frame from the TAP that is not the host's own must be this one. */
static void expect(void *arg, struct frame *segment)
{
	struct probe *probe = arg;
	uint8_t bytes[sizeof(struct vnet_header) + 512];
	const uint8_t *got = bytes + sizeof(struct vnet_header);

	for (unsigned i = 0; probe->result == 0; i++) {
		ssize_t n = read(probe->tap, bytes, sizeof(bytes));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || i == TRIES) {
			probe->result = -EPROTO;
		} else if ((size_t)n >= sizeof(struct vnet_header) + ACCEL_OUTER &&
			   memcmp(got, probe->outer, ACCEL_OUTER) == 0) {
			got += ACCEL_OUTER;
			if ((size_t)n != sizeof(struct vnet_header) + ACCEL_OUTER + segment->len ||
			    memcmp(got, segment->data, segment->len) != 0)
				probe->result = -EPROTO;
			break;
		}
	}
	frame_free(segment);
}

static int probe_version(struct accel_shared *shared, int tap, struct frame_pool *pool, bool v6)
{
	struct frame *super = make_super(pool, v6);
	struct probe probe = {.tap = tap};
	struct accel_piece piece[2];
	enum reason reason = REASON_NONE;
	struct iovec iov[3];

	if (!super)
		return -ENOMEM;
	if (!accel_takes(super) || offload_check(super) != REASON_NONE ||
	    accel_cut(super, piece) != 1) {
		frame_free(super);
		return -EPROTO;
	}
	accel_outer(&probe_to, piece, probe.outer);
	memcpy(shared->slot[0], probe.outer, ACCEL_OUTER);
	memcpy(shared->slot[0] + ACCEL_OUTER, piece->head, ACCEL_SLOT - ACCEL_OUTER);
	memset(piece->head, 0, 2);
	iov[0] = (struct iovec){&piece->vnet, sizeof(piece->vnet)};
	iov[1] = (struct iovec){piece->head, piece->head_len};
	iov[2] = (struct iovec){(void *)(uintptr_t)piece->rest, piece->rest_len};
	if (writev(tap, iov, 3) < 0) {
		probe.result = -errno;
		frame_free(super);
		return probe.result;
	}
	if (gso_segment(pool, super, SIZE, expect, &probe, &reason) != SEGMENTS)
		return -ENOMEM;
	return probe.result;
}

int accel_probe_send(struct accel_shared *shared, int tap, unsigned tap_ifindex,
		     struct frame_pool *pool)
{
	int ret;

	shared->out_ifindex = tap_ifindex;
	ret = probe_version(shared, tap, pool, false);
	return ret ? ret : probe_version(shared, tap, pool, true);
}

int accel_probe_strip(struct accel_shared *shared, int program)
{
	/* Room for the largest header, as drivers leave it, is the kernel's to add. */
	uint8_t packet[ACCEL_OUTER + ETH_HEADER_LEN + 40 + 64] = {0}, out[sizeof(packet) + 64];
	const struct accel_piece piece = {.len = sizeof(packet) - ACCEL_OUTER};
	uint8_t *inner = packet + ACCEL_OUTER;
	uint32_t src, dst;
	uint16_t header;
	size_t len;
	int ret;

	accel_outer(&probe_to, &piece, packet);
	inner[12] = ETHERTYPE_IPV4 >> 8;
	inner[ETH_HEADER_LEN] = 0x45;
	inner[ETH_HEADER_LEN + offsetof(struct ipv4_header, protocol)] = IPPROTO_TCP;
	memcpy(&src, probe_to.src, sizeof(src));
	memcpy(&dst, probe_to.dst, sizeof(dst));
	memcpy(&header, probe_to.etherip, sizeof(header));
	memcpy(shared->mac, probe_to.mac.octet, sizeof(shared->mac));
	shared->address = dst;
	shared->enabled = 1;
	/* A source that nobody has accepted, then one that somebody has. */
	ret = bpf_run(program, packet, sizeof(packet), out, sizeof(out), &len);
	if (ret == XDP_PASS && (len != sizeof(packet) || memcmp(out, packet, len) != 0))
		ret = -EPROTO;
	shared->accept[accel_set(src, header)] = accel_key(src, header);
	if (ret == XDP_PASS)
		ret = bpf_run(program, packet, sizeof(packet), out, sizeof(out), &len);
	/* The mark stands in front of it. */
	if (ret == XDP_PASS && (len != ACCEL_MARK + piece.len ||
				memcmp(out, &shared->cookie, sizeof(shared->cookie)) != 0 ||
				memcmp(out + ACCEL_MARK, inner, piece.len) != 0))
		ret = -EPROTO;
	shared->accept[accel_set(src, header)] = 0;
	shared->enabled = 0;
	shared->stripped = 0;
	return ret == XDP_PASS ? 0 : ret < 0 ? ret : -EPROTO;
}
