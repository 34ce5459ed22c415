/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/fragment.h"

#include <arpa/inet.h>

#include "lib/checksum.h"

#define HEADER_MAX  60u
#define OPTION_END  0u
#define OPTION_NOP  1u
#define OPTION_COPY 0x80u /* it is for later fragments, too */

/* An IPv4 header with options. */
struct head {
	uint8_t bytes[HEADER_MAX];
	unsigned len;
};

static bool take_head(const struct frame *frame, const struct packet *packet, struct head *head)
{
	struct ipv4_header ip;

	if (packet->ip_version != 4 || !frame_peek(frame, packet->l3_off, sizeof(ip), &ip))
		return false;
	head->len = (ip.version_ihl & 0x0fu) * 4u;
	return head->len >= sizeof(ip) && head->len <= packet->l3_len &&
	       frame_peek(frame, packet->l3_off, head->len, head->bytes);
}

/* What of a header the second fragment and all others have. */
static void later_head(const struct head *whole, struct head *later)
{
	unsigned at = sizeof(struct ipv4_header), len;

	later->len = at;
	memcpy(later->bytes, whole->bytes, at);
	while (at < whole->len && whole->bytes[at] != OPTION_END) {
		if (whole->bytes[at] == OPTION_NOP) {
			at++;
			continue;
		}
		len = whole->len - at < 2 ? 0 : whole->bytes[at + 1];
		if (len < 2 || len > whole->len - at)
			break; /* malformed: nobody can tell what follows */
		if (whole->bytes[at] & OPTION_COPY) {
			memcpy(later->bytes + later->len, whole->bytes + at, len);
			later->len += len;
		}
		at += len;
	}
	while (later->len % 4)
		later->bytes[later->len++] = OPTION_END;
	later->bytes[0] = (uint8_t)(0x40u | later->len / 4u);
}

/* The fragment with `len` bytes of payload from `from` on. */
static struct frame *make(struct frame_pool *pool, const struct frame *frame, unsigned l3_off,
			  const struct head *head, uint16_t fragment, const uint8_t *from,
			  unsigned len)
{
	struct frame *out = frame_alloc(pool, (size_t)l3_off + head->len + len);
	struct ipv4_header ip;

	if (!out)
		return NULL;
	memcpy(&ip, head->bytes, sizeof(ip));
	ip.total_len = htons((uint16_t)(head->len + len));
	ip.fragment = htons(fragment);
	ip.checksum = 0;
	memcpy(out->data, frame->data, l3_off);
	memcpy(out->data + l3_off, head->bytes, head->len);
	memcpy(out->data + l3_off, &ip, sizeof(ip));
	ip.checksum = checksum(out->data + l3_off, head->len);
	memcpy(out->data + l3_off, &ip, sizeof(ip));
	memcpy(out->data + l3_off + head->len, from, len);
	out->len = l3_off + head->len + len;
	out->peer = frame->peer;
	out->origin = frame->origin;
	return out;
}

enum reason fragment_ipv4(struct frame_pool *pool, const struct frame *frame,
			  const struct packet *packet, unsigned mtu, fragment_emit_fn *emit,
			  void *arg)
{
	struct head whole, later;
	unsigned payload, flags, first, n;
	const uint8_t *bytes;

	if (!take_head(frame, packet, &whole))
		return REASON_OVERSIZE;
	later_head(&whole, &later);
	payload = packet->l3_len - whole.len;
	flags = (unsigned)whole.bytes[6] << 8 | whole.bytes[7];
	first = flags & IPV4_OFFSET;
	if (mtu < whole.len + 8 || payload > UINT16_MAX - 8 * first)
		return REASON_OVERSIZE;
	bytes = frame->data + packet->l3_off + whole.len;
	for (unsigned done = 0; done < payload; done += n) {
		const struct head *head = done == 0 ? &whole : &later;
		unsigned field = (flags & ~IPV4_OFFSET) | (first + done / 8);
		struct frame *out;

		n = payload - done;
		if (n > mtu - head->len) {
			n = (mtu - head->len) & ~7u;
			field |= IPV4_MORE_FRAGMENTS;
		}
		out = make(pool, frame, packet->l3_off, head, (uint16_t)field, bytes + done, n);
		if (!out)
			return REASON_NO_BUFFER;
		emit(arg, out);
	}
	return REASON_NONE;
}
