/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PDUs of MVRP and GVRP from the wire. The first byte says whether the link is point
 * to point; then come frames, each with its length in front (two bytes), to an
 * applicant with some VLANs. Whatever they say: what is declared here stays so, what is
 * malformed says nothing, and what the applicant answers can be read.
 */
#include <stdlib.h>
#include <string.h>

#include "encap/mrp_pdu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static const struct mac station = {{2, 0, 0, 0, 0, 1}};

struct hearing {
	struct mrp *mrp;
	uint64_t now;
	unsigned events;
};

static void heard(void *arg, enum mrp_event event, unsigned vid)
{
	struct hearing *hearing = arg;

	CHECK(event >= MRP_R_NEW && event <= MRP_R_LEAVE_ALL);
	CHECK((event == MRP_R_LEAVE_ALL) == (vid == 0) && vid <= MRP_VID_MAX);
	CHECK(event != MRP_R_LEAVE_ALL || hearing->events == 0);
	hearing->events++;
	if (hearing->mrp)
		mrp_heard(hearing->mrp, event, vid, hearing->now);
}

/* What there is to say is in frames that can be read, and say as much. */
static void answer(struct mrp *mrp, enum mrp_protocol protocol, uint64_t now)
{
	struct hearing hearing = {.mrp = NULL};
	uint8_t frame[MRP_FRAME_MAX];
	unsigned vid = 1, pending = mrp->pending;
	size_t len;

	while ((len = mrp_frame_write(protocol, &station, mrp, &vid, frame, sizeof(frame)))) {
		CHECK(mrp_frame_protocol(frame, len) == protocol);
		CHECK(mrp_frame_read(protocol, frame, len, heard, &hearing) == 0);
	}
	CHECK(hearing.events == pending);
	mrp_said(mrp, 1, MRP_VID_MAX);
	mrp_transmitted(mrp, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mrp mrp;
	uint64_t now = 1000;

	if (size < 1)
		return 0;
	mrp_init(&mrp, data[0] & 1, data[0] & 2, data[0]);
	for (unsigned vid = 100; vid < 110; vid++)
		mrp_join(&mrp, vid, now);
	mrp_join(&mrp, 1, now);
	mrp_join(&mrp, MRP_VID_MAX, now);
	data++;
	size--;
	while (size >= 2) {
		size_t len = (size_t)(data[0] << 8 | data[1]);
		struct hearing hearing = {.mrp = &mrp, .now = now};
		enum mrp_protocol protocol;

		data += 2;
		size -= 2;
		len = len < size ? len : size;
		protocol = mrp_frame_protocol(data, len);
		if (protocol != MRP_PROTOCOLS) {
			int ret = mrp_frame_read(protocol, data, len, heard, &hearing);

			CHECK(ret == 0 || hearing.events == 0);
			CHECK(mrp.declared == 12);
			CHECK(mrp.pending <= 12);
			if (mrp_due(&mrp, now))
				answer(&mrp, protocol, now);
		}
		data += len;
		size -= len;
		now += 150;
	}
	for (unsigned vid = 100; vid < 110; vid++)
		CHECK(mrp_is_declared(&mrp, vid));
	return 0;
}
