/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beacons from a wire: the input is frames, each behind a byte of its length and one that
 * says on which side it comes and how much time has passed. Whatever comes, what was read
 * is written back the same, the list stays within its bounds, and no one is ever active
 * beside one that prevails and that it hears on its LAN.
 */
#include <assert.h>
#include <string.h>

#include "switchd/relay_machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct relay_machine *machine)
{
	assert(machine->heard_count <= RELAY_HEARD_MAX);
	for (unsigned i = 0; i < machine->heard_count; i++) {
		const struct relay_heard *heard = &machine->heard[i];

		if (heard->lan && heard->side == machine->lan_side &&
		    heard->state == RELAY_ACTIVE && relay_id_lower(&heard->who, &machine->own))
			assert(machine->state == RELAY_STANDBY);
	}
}

static void round_trip(struct frame_pool *pool, const struct relay_beacon *beacon)
{
	struct frame *frame = frame_alloc(pool, RELAY_BEACON_FRAME);
	struct relay_beacon back;

	assert(frame);
	relay_beacon_write(beacon, frame);
	assert(relay_beacon_read(frame, &back));
	assert(relay_id_equal(&back.from, &beacon->from) && back.state == beacon->state &&
	       back.lan == beacon->lan);
	frame_free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_pool *pool = frame_pool_create(8, 2);
	struct relay_machine machine;
	struct relay_heard gone;
	uint64_t now = 1000000;

	assert(pool);
	relay_machine_init(&machine);
	relay_machine_role(&machine, true, (struct relay_id){0x20202020, 1}, 1, now);
	while (size >= 2) {
		size_t len = data[0] < size - 2 ? data[0] : size - 2;
		struct ipaddr from = ipaddr_v4((struct in_addr){data[1]});
		struct frame *frame = frame_alloc(pool, len);
		struct relay_beacon beacon;

		assert(frame);
		memcpy(frame->data, data + 2, len);
		frame->len = (uint32_t)len;
		now += (uint64_t)(data[1] >> 2) * 20;
		while (relay_machine_expire(&machine, now, &gone))
			assert(now - gone.seen >= RELAY_SILENCE_MS);
		if (relay_beacon_read(frame, &beacon)) {
			assert(relay_beacon_is_for(frame));
			round_trip(pool, &beacon);
			(void)relay_machine_hear(&machine, &beacon, 1 + (data[1] & 1), &from, now);
		}
		(void)relay_machine_run(&machine, !(data[1] & 2), now);
		(void)relay_machine_beacon(&machine, now);
		check(&machine);
		frame_free(frame);
		data += 2 + len;
		size -= 2 + len;
	}
	frame_pool_destroy(pool);
	return 0;
}
