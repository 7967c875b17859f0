/* A Modbus RTU server made of libmodbus, for tests: it serves a ramp on a serial port.
 *
 * Arguments: port, baud, unit. Holding register n and input register n hold n. It answers until it is killed, and
 * ignores what is not for its unit.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <stdio.h>
#include <stdlib.h>

#define REGISTERS 65536

int main(int argc, char **argv)
{
    uint8_t query[MODBUS_RTU_MAX_ADU_LENGTH];
    modbus_mapping_t *map = modbus_mapping_new(0, 0, REGISTERS, REGISTERS);
    modbus_t *bus = argc == 4 ? modbus_new_rtu(argv[1], atoi(argv[2]), 'N', 8, 1) : NULL;

    if (!bus || !map || modbus_set_slave(bus, atoi(argv[3])) < 0 || modbus_connect(bus) < 0)
        return 1;
    for (int i = 0; i < REGISTERS; i++)
        map->tab_registers[i] = map->tab_input_registers[i] = (uint16_t) i;
    puts("ready");
    fflush(stdout);
    for (;;) {
        int length = modbus_receive(bus, query);
        if (length > 0)
            modbus_reply(bus, query, length, map);
        else if (length < 0 && errno == EIO)
            return 0;
    }
}
