# SPDX-License-Identifier: BSD-2-Clause
"""What a guest says that is not true: spoof.py OWN-MAC OWN-IP VICTIM-MAC VICTIM-IP

Each lie is sent ten times, plain, behind two VLAN tags, and (those of Ethernet types) in
LLC/SNAP. All have the word "spoof" in their padding, by which a capture finds them.
"""
import sys

from scapy.all import (ARP, BOOTP, DHCP, IP, LLC, SNAP, STP, UDP, Dot1Q, Dot3, Ether, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr,
                       ICMPv6ND_NA, ICMPv6ND_RA, ICMPv6ND_Redirect, IPv6, Raw, conf, sendp)

conf.verb = 0
WORD = b"spoof" * 4


def lies(mac, ip, victim_mac, victim_ip):
    everybody = "ff:ff:ff:ff:ff:ff"
    yield "ARP answer for the victim", 0x0806, Ether(src=mac, dst=everybody), ARP(
        op=2, hwsrc=mac, psrc=victim_ip, hwdst=everybody, pdst=ip)
    yield "gratuitous ARP", 0x0806, Ether(src=mac, dst=everybody), ARP(op=1, hwsrc=mac, psrc=victim_ip, pdst=victim_ip)
    yield "the victim's MAC address", 0x0800, Ether(src=victim_mac, dst=everybody), IP(src=ip, dst="10.0.0.255") / UDP()
    yield "the victim's IP address", 0x0800, Ether(src=mac, dst=everybody), IP(src=victim_ip, dst="10.0.0.255") / UDP()
    offer = BOOTP(op=2, yiaddr="10.0.0.66", siaddr=ip, chaddr=b"\x52\x54\0\0\0\1") / DHCP(
        options=[("message-type", "offer"), ("server_id", ip), ("router", ip), "end"])
    yield "DHCP offer", 0x0800, Ether(src=mac, dst=everybody), IP(src=ip, dst="255.255.255.255") / UDP(
        sport=67, dport=68) / offer
    ll = "fe80::5054:ff:fe00:3"
    six = Ether(src=mac, dst="33:33:00:00:00:01")
    yield "router advertisement", 0x86dd, six, IPv6(src=ll, dst="ff02::1", hlim=255) / ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(
        lladdr=mac)
    yield "redirect", 0x86dd, six, IPv6(src=ll, dst="ff02::1", hlim=255) / ICMPv6ND_Redirect(tgt=ll, dst="fd00::1")
    yield "advertisement for the victim", 0x86dd, six, IPv6(src=ll, dst="ff02::1", hlim=255) / ICMPv6ND_NA(
        tgt="fd00::1", R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac)


def main(mac, ip, victim_mac, victim_ip):
    frames = []
    for _, ethertype, eth, packet in lies(mac, ip, victim_mac, victim_ip):
        body = packet / Raw(WORD)
        frames.append(eth / body)
        frames.append(eth / Dot1Q(vlan=0) / Dot1Q(vlan=0) / body)
        snap = LLC(dsap=0xaa, ssap=0xaa, ctrl=3) / SNAP(OUI=0, code=ethertype) / body
        frames.append(eth / snap)  # of type 0x8870
        frames.append(Dot3(src=eth.src, dst=eth.dst) / snap)
    frames.append(Dot3(src=mac, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP() / Raw(WORD))
    for _ in range(10):
        sendp(frames, iface="eth0")
    print(len(frames) * 10)


if __name__ == "__main__":
    main(*sys.argv[1:])
