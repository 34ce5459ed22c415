/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets of VXLAN. Receiving: one for each family and UDP port, shared by all
 * segments, bound to no address, which would lose multicast. Sending: sixteen for
 * each uplink and family. RFC 7348 wants the source port to say the flow, so that
 * networks which spread packets over paths by ports keep flows in order; a UDP
 * socket has one port, so a flow chooses a socket instead.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/receiver.h"
#include "encap/sender.h"
#include "encap/socket.h"
#include "encap/vxlan.h"

/* Not in every libc's headers. */
#ifndef UDP_NO_CHECK6_RX
#define UDP_NO_CHECK6_RX 102
#endif

static const struct sender_kind sender_kind = {
    .type = SOCK_DGRAM,
    .sockets = SENDER_SOCKETS,
    .choose = vxlan_flow,
    .first_port = VXLAN_FIRST_SOURCE_PORT,
};

struct vxlan_receiver {
	struct list link;
	struct receiver rx;
	uint16_t port;
	unsigned refs;
};

/* What all VXLAN backends of a host share; made with the first, gone with the last. */
struct vxlan_shared {
	struct encap_host *host;
	struct vxlan_table table;
	struct list receivers;
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
	const struct vxlan_receiver *receiver = rx->owner;
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

static int receiving_socket(uint16_t family, uint16_t port)
{
	struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	bool v6 = family == AF_INET6;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (v6) {
		ret = socket_set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1);
		/* RFC 7348: what comes without a checksum is to be accepted. */
		ret = ret ? ret : socket_set_int(fd, IPPROTO_UDP, UDP_NO_CHECK6_RX, 1);
	}
	if (ret == 0 && bind(fd, v6 ? (struct sockaddr *)&any6 : (struct sockaddr *)&any4,
			     v6 ? sizeof(any6) : sizeof(any4)) < 0)
		ret = -errno;
	if (ret < 0) {
		close(fd);
		return ret;
	}
	return fd;
}

static struct vxlan_receiver *receiver_find(struct vxlan_shared *shared, uint16_t family,
					    uint16_t port)
{
	list_for_each (&shared->receivers, it) {
		struct vxlan_receiver *receiver = container_of(it, struct vxlan_receiver, link);

		/* The analyzer does not see that list_del() takes a freed one out. */
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
		if (receiver->rx.family == family && receiver->port == port)
			return receiver;
	}
	return NULL;
}

static int receiver_get(struct vxlan_shared *shared, uint16_t family, uint16_t port)
{
	struct vxlan_receiver *receiver = receiver_find(shared, family, port);
	int ret;

	if (receiver) {
		receiver->refs++;
		return 0;
	}
	receiver = calloc(1, sizeof(*receiver));
	if (!receiver)
		return -ENOMEM;
	receiver->port = port;
	receiver->refs = 1;
	receiver->rx = (struct receiver){
	    .host = shared->host,
	    .family = family,
	    .kind = ENCAP_VXLAN,
	    .udp = true,
	    .owner = receiver,
	    .classify = classify,
	    .fd = -1,
	};
	ret = receiving_socket(family, port);
	if (ret >= 0)
		ret = receiver_start(&receiver->rx, ret);
	if (ret < 0) {
		free(receiver);
		return ret;
	}
	list_add_tail(&shared->receivers, &receiver->link);
	return 0;
}

static void receivers_put(struct vxlan_shared *shared, unsigned families, uint16_t port)
{
	for (unsigned i = 0; i < 2; i++) {
		struct vxlan_receiver *receiver = receiver_find(shared, family_at(i), port);

		if (!(families & 1u << i) || !receiver || --receiver->refs > 0)
			continue;
		receiver_stop(&receiver->rx);
		list_del(&receiver->link);
		free(receiver);
	}
}

static int receivers_get(struct vxlan_shared *shared, unsigned families, uint16_t port)
{
	for (unsigned i = 0; i < 2; i++) {
		int ret = families & 1u << i ? receiver_get(shared, family_at(i), port) : 0;

		if (ret < 0) {
			receivers_put(shared, families & ((1u << i) - 1), port);
			return ret;
		}
	}
	return 0;
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
		list_init(&shared->receivers);
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

	senders_follow(&shared->senders, encap->uplink);
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
	ret = receivers_get(shared, families, (uint16_t)conf->port);
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
	receivers_put(shared, families, (uint16_t)conf->port);
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
	receivers_put(shared, families, (uint16_t)vxlan->conf->port);
	shared_put(shared);
	remotes_fini(&vxlan->remotes);
	free(vxlan);
	encap->state = NULL;
}
