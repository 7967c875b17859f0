/* A Modbus TCP server made of libmodbus, for tests: it serves the registers it reads from standard input.
 *
 * Input: lines "<h|i> <first address> <hex words>", then end of file. Output: its port, one line. It serves one
 * client after the other until it is killed. Every address that was not given holds 0.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGISTERS 65536

static int read_registers(modbus_mapping_t *map)
{
    char table, hex[1024];
    unsigned first;

    while (scanf(" %c %u %1023s", &table, &first, hex) == 3) {
        uint16_t *registers = table == 'h' ? map->tab_registers : map->tab_input_registers;
        size_t count = strlen(hex) / 4;
        if (first + count > REGISTERS)
            return -1;
        for (size_t i = 0; i < count; i++) {
            char word[5] = {0};
            memcpy(word, hex + 4 * i, 4);
            registers[first + i] = (uint16_t) strtoul(word, NULL, 16);
        }
    }
    return 0;
}

static int announce(int listening)
{
    struct sockaddr_in address;
    socklen_t size = sizeof address;

    if (getsockname(listening, (struct sockaddr *) &address, &size) < 0)
        return -1;
    printf("%d\n", ntohs(address.sin_port));
    return fflush(stdout);
}

static void serve(modbus_t *bus, modbus_mapping_t *map)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];

    for (;;) {
        int length = modbus_receive(bus, query);
        if (length < 0 || (length > 0 && modbus_reply(bus, query, length, map) < 0))
            break;
    }
    modbus_close(bus);
}

int main(void)
{
    modbus_t *bus = modbus_new_tcp("127.0.0.1", 0);
    modbus_mapping_t *map = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    int listening;

    if (!bus || !map || read_registers(map) < 0)
        return 1;
    listening = modbus_tcp_listen(bus, 1);
    if (listening < 0 || announce(listening) < 0)
        return 1;
    while (modbus_tcp_accept(bus, &listening) >= 0)
        serve(bus, map);
    return 0;
}
