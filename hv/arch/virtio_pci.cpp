#include "hv/arch/virtio_pci.hpp"

#include "hv/arch/cpu.hpp"

namespace bulkhead::hv {

namespace {

// Of configuration space, behind two ports.
constexpr std::uint16_t address_port = 0xcf8, data_port = 0xcfc;
constexpr std::uint8_t identity = 0x0, command = 0x4, first_bar = 0x10, subsystem = 0x2c;
constexpr std::uint32_t ports_on = 1, bus_master = 4, is_ports = 1;
constexpr std::uint32_t vendor = 0x1af4, first_device = 0x1000,
                        last_device = 0x103f; // with a legacy interface

// Ports of the legacy interface.
constexpr std::uint16_t offered = 0, taken = 4, queue_frame = 8, queue_size = 12, queue_select = 14,
                        bell = 16, status = 18, own_configuration = 20; // without MSI-X
constexpr std::uint8_t acknowledged = 1, has_driver = 2, driver_ready = 4;

void select(std::uint32_t slot, std::uint8_t offset) {
    cpu::outl(address_port, std::uint32_t{1} << 31 | slot << 11 | offset);
}
std::uint32_t read(std::uint32_t slot, std::uint8_t offset) {
    select(slot, offset);
    return cpu::inl(data_port);
}
void write(std::uint32_t slot, std::uint8_t offset, std::uint32_t value) {
    select(slot, offset);
    cpu::outl(data_port, value);
}
std::uint16_t at(std::uint16_t ports, std::uint16_t offset) {
    return static_cast<std::uint16_t>(ports + offset);
}
void add_status(std::uint16_t ports, std::uint8_t bit) {
    cpu::outb(at(ports, status), static_cast<std::uint8_t>(cpu::inb(at(ports, status)) | bit));
}

} // namespace

std::optional<VirtioPci> VirtioPci::find(std::uint32_t slot, Kind kind) {
    const auto who = read(slot, identity), device = who >> 16;
    if ((who & 0xffff) != vendor || device < first_device || device > last_device ||
        read(slot, subsystem) >> 16 != static_cast<std::uint32_t>(kind))
        return std::nullopt;
    const auto bar = read(slot, first_bar);
    const auto ports = bar & ~std::uint32_t{3};
    if ((bar & is_ports) == 0 || ports == 0 || ports > 0xffc0)
        return std::nullopt;
    write(slot, command, (read(slot, command) & 0xffff) | ports_on | bus_master);
    const VirtioPci found{static_cast<std::uint16_t>(ports)};
    found.stop();
    add_status(found.ports_, acknowledged);
    add_status(found.ports_, has_driver);
    return found;
}

std::uint32_t VirtioPci::negotiate(std::uint32_t wanted) const {
    const auto both = cpu::inl(at(ports_, offered)) & wanted;
    cpu::outl(at(ports_, taken), both);
    return both;
}

std::uint16_t VirtioPci::queue_entries(std::uint16_t queue) const {
    cpu::outw(at(ports_, queue_select), queue);
    return cpu::inw(at(ports_, queue_size));
}

void VirtioPci::set_queue(std::uint16_t queue, std::uint64_t physical) const {
    cpu::outw(at(ports_, queue_select), queue);
    cpu::outl(at(ports_, queue_frame), static_cast<std::uint32_t>(physical >> 12));
}

void VirtioPci::go() const { add_status(ports_, driver_ready); }

std::uint32_t VirtioPci::configuration(std::uint16_t offset) const {
    return cpu::inl(at(ports_, static_cast<std::uint16_t>(own_configuration + offset)));
}

void VirtioPci::notify(std::uint16_t queue) const { cpu::outw(at(ports_, bell), queue); }

void VirtioPci::stop() const { cpu::outb(at(ports_, status), 0); }

} // namespace bulkhead::hv
