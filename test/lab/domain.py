# SPDX-License-Identifier: BSD-2-Clause
"""Makes the guest of an XML file one that libvirt can start here: emulated, with the
lab's kernel instead of a disk, and with its two serial lines (see guest.sh). All else
stays as it is in the file.

    domain.py FILE KERNEL INITRD CMDLINE FOLDER
"""

import sys
import xml.etree.ElementTree as tree

file, kernel, initrd, cmdline, folder = sys.argv[1:]
domain = tree.parse(file).getroot()
devices = domain.find('devices')
name = domain.findtext('name')

domain.set('type', 'qemu')
domain.find('memory').text = '160'
domain.find('cpu').attrib.clear()
domain.find('cpu').set('mode', 'custom')
domain.find('cpu').set('match', 'exact')
tree.SubElement(domain.find('cpu'), 'model', fallback='forbid').text = 'qemu64'
for tag, text in (('kernel', kernel), ('initrd', initrd), ('cmdline', cmdline)):
    tree.SubElement(domain.find('os'), tag).text = text
for tag in ('on_poweroff', 'on_reboot', 'on_crash'):
    tree.SubElement(domain, tag).text = 'destroy'
for device in devices.findall('disk') + devices.findall('console'):
    devices.remove(device)
for interface in devices.findall('interface'):
    # Its ROM is for booting from a network.
    tree.SubElement(interface, 'rom', enabled='no')
for port, kind, path in ((0, 'file', 'console'), (1, 'pipe', 'serial')):
    serial = tree.SubElement(devices, 'serial', type=kind)
    tree.SubElement(serial, 'source', path=f'{folder}/{name}.{path}')
    tree.SubElement(serial, 'target', port=str(port))
tree.SubElement(devices, 'memballoon', model='none')
print(tree.tostring(domain, encoding='unicode'))
