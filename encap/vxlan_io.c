/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of VXLAN backends, and their sockets; see udp.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/sender.h"
#include "encap/udp.h"
#include "encap/vxlan.h"

static const struct sender_kind sender_kind = {
    .type = SOCK_DGRAM,
    .sockets = SENDER_SOCKETS,
    .choose = vxlan_flow,
    .first_port = UDP_FIRST_SOURCE_PORT,
};

/* What all VXLAN backends of a host share; made with the first, gone with the last. */
struct vxlan_shared {
	struct encap_host *host;
	struct vxlan_table table;
	struct udp_receivers receivers;
	struct senders senders;
	struct groups groups;
	unsigned users;
};

static struct vxlan_shared *shared_of(const struct encap *encap)
{
	return encap->host->shared[ENCAP_VXLAN];
}

/* ---- receiving ---- */

static struct encap *classify(struct receiver *rx, struct frame *frame, struct outer *outer,
			      enum reason *reason, struct encap **blame)
{
	const struct udp_receiver *receiver = rx->owner;
	const struct vxlan_shared *shared = rx->host->shared[ENCAP_VXLAN];
	struct vxlan *whose = NULL;
	struct vxlan *vxlan =
	    vxlan_demux(&shared->table, frame, receiver->port, outer, reason, &whose);

	if (!vxlan) {
		*blame = whose ? whose->encap : NULL;
		return NULL;
	}
	*reason = vxlan->encap->ops->pop(vxlan->encap, frame);
	if (*reason != REASON_NONE) {
		*blame = vxlan->encap;
		return NULL;
	}
	if (outer->fragmented)
		vxlan->reassembled++;
	return vxlan->encap;
}

/* ---- sending ---- */

void vxlan_send(struct encap *encap, struct frame_batch *batch)
{
	const struct vxlan *vxlan = encap->state;
	const struct sender_to to = {
	    .remotes = &vxlan->remotes,
	    .ttl = vxlan->conf->ttl,
	    .port = (uint16_t)vxlan->conf->port,
	};

	senders_send(&shared_of(encap)->senders, encap, &to, batch);
}

/* ---- life ---- */

static struct vxlan_shared *shared_get(struct encap_host *host)
{
	struct vxlan_shared *shared = host->shared[ENCAP_VXLAN];

	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared)
			return NULL;
		shared->host = host;
		udp_receivers_init(&shared->receivers, host, ENCAP_VXLAN, classify);
		senders_init(&shared->senders, &sender_kind);
		groups_init(&shared->groups);
		host->shared[ENCAP_VXLAN] = shared;
	}
	shared->users++;
	return shared;
}

static void shared_put(struct vxlan_shared *shared)
{
	if (--shared->users > 0)
		return;
	shared->host->shared[ENCAP_VXLAN] = NULL;
	free(shared);
}

void vxlan_uplink_changed(struct encap *encap)
{
	struct vxlan *vxlan = encap->state;
	struct vxlan_shared *shared = shared_of(encap);

	senders_follow(&shared->senders, encap->host, encap->uplink);
	group_follow(&shared->groups, &vxlan->member, &vxlan->remotes.group, encap);
}

int vxlan_open(struct encap *encap, struct err *err)
{
	const struct vxlan_conf *conf = (const struct vxlan_conf *)encap->conf;
	struct vxlan *vxlan = calloc(1, sizeof(*vxlan));
	struct vxlan_shared *shared = vxlan ? shared_get(encap->host) : NULL;
	unsigned families;
	int ret = -ENOMEM;

	if (!shared)
		goto fail_alloc;
	vxlan->encap = encap;
	vxlan->conf = conf;
	ret = remotes_init(&vxlan->remotes, &conf->remotes);
	if (ret < 0)
		goto fail_shared;
	families = remotes_families(&vxlan->remotes);
	ret = udp_receivers_get(&shared->receivers, families, (uint16_t)conf->port);
	if (ret < 0)
		goto fail_remotes;
	ret = senders_get(&shared->senders, encap->uplink, families);
	if (ret < 0)
		goto fail_receivers;
	vxlan_table_add(&shared->table, vxlan);
	encap->state = vxlan;
	encap->clamp_mss = conf->clamp_mss;
	encap->oversize = OVERSIZE_CLIP;
	vxlan_uplink_changed(encap);
	return 0;

fail_receivers:
	udp_receivers_put(&shared->receivers, families, (uint16_t)conf->port);
fail_remotes:
	remotes_fini(&vxlan->remotes);
fail_shared:
	shared_put(shared);
fail_alloc:
	free(vxlan);
	return err_set(err, -ret, "VXLAN needs UDP port %d: %s", (int)conf->port, strerror(-ret));
}

/* Everything but the VNI, the port and the group can change under way. */
int vxlan_reconf(struct encap *encap, const struct encap_conf *common)
{
	const struct vxlan_conf *conf = (const struct vxlan_conf *)common;
	struct vxlan *vxlan = encap->state;

	if (vxlan->conf->vni != conf->vni || vxlan->conf->port != conf->port ||
	    remotes_reconf(&vxlan->remotes, &conf->remotes, &conf->remotes.group) < 0)
		return ENCAP_RESTART;
	vxlan->conf = conf;
	encap->clamp_mss = conf->clamp_mss;
	return 0;
}

void vxlan_close(struct encap *encap)
{
	struct vxlan *vxlan = encap->state;
	struct vxlan_shared *shared = shared_of(encap);
	unsigned families = remotes_families(&vxlan->remotes);

	group_unfollow(&shared->groups, &vxlan->member, &vxlan->remotes.group);
	vxlan_table_del(&shared->table, vxlan);
	senders_put(&shared->senders, encap->uplink, families);
	udp_receivers_put(&shared->receivers, families, (uint16_t)vxlan->conf->port);
	shared_put(shared);
	remotes_fini(&vxlan->remotes);
	free(vxlan);
	encap->state = NULL;
}
