/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of ports of type vde know of each other; see vde.h. */
#ifndef TVD_VDE_IMPL_H
#define TVD_VDE_IMPL_H

#include <sys/socket.h>
#include <sys/stat.h>

#include "switchd/port/vde.h"
#include "switchd/port/vde_request.h"

/* The longest frame, as libvdeplug has it: 9216 behind a header with a tag. */
#define VDE_FRAME_MAX 9234u

/* A client whose request was granted: both sockets, and who it is. */
struct vde_client {
	int ctl, data;
	struct sockaddr_un own; /* where the data socket is bound */
	struct ucred peer;
	char description[VDE_DESCRIPTION + 1];
};

/* Closes its sockets, and frees it; NULL is fine. Their files go too, unless the port is
 * shared. */
void vde_client_destroy(struct vde_client *client, const struct port *port);

/* ---- vde_socket.c ---- */

struct vde_dir {
	char path[UNIX_PATH_MAX_LEN + 1];
	dev_t dev;
	ino_t ino;
	mode_t mode; /* of the sockets */
	bool grouped;
	gid_t group;
};

/*
 * Makes the directory if there is none, gives it mode and group, and listens at
 * `ctl` in it: the descriptor, or negative errno with a message and nothing left.
 */
int vde_dir_open(struct vde_dir *dir, const struct vde_conf *conf, const struct port_host *host,
		 struct err *err);

/*
 * The same with what a former process had: nothing is made, and `ctl` has to listen in
 * that directory. 0 or negative errno.
 */
int vde_dir_adopt(struct vde_dir *dir, const struct vde_conf *conf, int ctl);

/* Whether a descriptor listens at a path. */
bool vde_listens_at(int fd, const char *path);

/* Listens at the management socket: likewise. */
int vde_mgmt_open(const struct vde_conf *conf, const struct port_host *host, struct err *err);

/* Removes the control socket, while it still listens, and the directory if it is empty. */
void vde_dir_close(const char *path);

/*
 * A data socket that is bound in the directory and connected with that of the
 * client, once it was made sure that this is the client's. The descriptor and, in
 * `own`, the address; or negative errno with what is wrong with the client.
 */
int vde_data_open(const struct vde_dir *dir, const struct port *port,
		  const struct vde_request *request, const struct ucred *peer, unsigned number,
		  struct sockaddr_un *own, struct err *err);

/* Whether a descriptor is such a socket of that number, and connected: then its address
 * is in `own`. */
bool vde_data_is(int fd, const char *dir, unsigned number, struct sockaddr_un *own);

/* Removes what a client that is dead has left in the directory before it asked. */
void vde_forget_caller(const struct vde_dir *dir, const struct ucred *peer);

/* ---- vde_listen.c ---- */

int vde_listen_open(struct port *port);
int vde_listen_adopt(struct port *port, struct port_heritage *heritage);
void vde_listen_handover(const struct port *port, struct port_heritage *heritage);
void vde_listen_close(struct port *port);
void vde_listen_show(const struct port *port, struct json_t *object);

/* ---- vde_guest.c ---- */

int vde_guest_open(struct port *port);
int vde_guest_adopt(struct port *port, struct port_heritage *heritage);
void vde_guest_handover(const struct port *port, struct port_heritage *heritage);
void vde_guest_close(struct port *port);
void vde_guest_send(struct port *port, struct frame_batch *batch);
void vde_guest_show(const struct port *port, struct json_t *object);

/* Whether a port with a number waits for a client. */
bool vde_guest_waits(const struct port *port);

/* Gives it one; takes it over. */
void vde_guest_attach(struct port *port, struct vde_client *client);

/* Gives it the one of another port with the same number, if there is such a port: that
 * then goes. */
void vde_guest_take_over(struct port *port);

#endif
