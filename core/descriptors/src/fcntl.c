/* The fcntl(2) that our SQLite calls: its locks are open-file-description locks.

   A POSIX record lock belongs to a process and is dropped when the process closes any descriptor of the file.
   A host program may open and close the ledger's files as it likes (a backup, a second SQLite), so such locks
   guard nothing. An open-file-description lock belongs to one open(2) and conflicts with all others, those of
   this process too. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>

int perceptis_descriptors_fcntl(int descriptor, int command, ...);

int perceptis_descriptors_fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);

    int replaced = command == F_SETLK ? F_OFD_SETLK
        : command == F_SETLKW         ? F_OFD_SETLKW
        : command == F_GETLK          ? F_OFD_GETLK
                                      : command;
    if (replaced == command) return fcntl(descriptor, command, argument);

    struct flock *asked = argument, lock = *asked;
    lock.l_pid = 0; /* Else the call is refused; SQLite leaves the field as it is. */
    int result = fcntl(descriptor, replaced, &lock);
    if (command == F_GETLK && result == 0) *asked = lock;
    return result;
}
