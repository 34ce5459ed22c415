/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/relay_beacon.h"

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "lib/packet.h"

#define VERSION	 1
#define SIDE_LAN 1
#define SIDE_WAN 2

const struct mac relay_group = {{0x03, 0x52, 0x45, 0x4c, 0x41, 0x59}};

static const uint8_t magic[4] = {'T', 'V', 'D', 'R'};

struct wire_beacon {
	struct eth_header eth;
	uint8_t magic[4];
	uint8_t version, state, side, zero;
	uint32_t number;
	uint64_t instance;
} __attribute__((packed));

_Static_assert(sizeof(struct wire_beacon) == RELAY_BEACON_LEN, "the layout has changed");

bool relay_beacon_is_for(const struct frame *frame)
{
	struct mac dst;

	return frame_peek(frame, 0, sizeof(dst), &dst) && mac_equal(&dst, &relay_group);
}

bool relay_beacon_read(const struct frame *frame, struct relay_beacon *beacon)
{
	struct wire_beacon wire;

	if (frame->tag.tpid || frame->offload.gso != FRAME_GSO_NONE ||
	    !frame_peek(frame, 0, sizeof(wire), &wire))
		return false;
	if (!mac_equal(&wire.eth.dst, &relay_group) || mac_is_group(&wire.eth.src) ||
	    mac_is_zero(&wire.eth.src) || ntohs(wire.eth.type) != ETHERTYPE_RELAY)
		return false;
	if (memcmp(wire.magic, magic, sizeof(magic)) != 0 || wire.version != VERSION)
		return false;
	if (wire.state < RELAY_LISTENING || wire.state > RELAY_STANDBY)
		return false;
	if (wire.side != SIDE_LAN && wire.side != SIDE_WAN)
		return false;
	if (wire.number == 0 || wire.instance == 0)
		return false;
	beacon->from.number = ntohl(wire.number);
	beacon->from.instance = be64toh(wire.instance);
	beacon->state = (enum relay_state)wire.state;
	beacon->lan = wire.side == SIDE_LAN;
	return true;
}

void relay_beacon_write(const struct relay_beacon *beacon, struct frame *frame)
{
	struct wire_beacon wire = {
	    .eth = {.dst = relay_group, .type = htons(ETHERTYPE_RELAY)},
	    .version = VERSION,
	    .state = (uint8_t)beacon->state,
	    .side = beacon->lan ? SIDE_LAN : SIDE_WAN,
	    .number = htonl(beacon->from.number),
	    .instance = htobe64(beacon->from.instance),
	};

	memcpy(wire.magic, magic, sizeof(magic));
	wire.eth.src = (struct mac){{0x02, 0x52}};
	memcpy(wire.eth.src.octet + 2, &beacon->from.instance, 4);
	memset(frame->data, 0, RELAY_BEACON_FRAME);
	memcpy(frame->data, &wire, sizeof(wire));
	frame->len = RELAY_BEACON_FRAME;
}

const char *relay_state_name(enum relay_state state)
{
	static const char *const names[] = {
	    [RELAY_LISTENING] = "listening",
	    [RELAY_CLAIMING] = "claiming",
	    [RELAY_ACTIVE] = "active",
	    [RELAY_STANDBY] = "standby",
	};

	return names[state];
}
