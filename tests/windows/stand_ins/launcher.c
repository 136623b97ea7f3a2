/* What `venv` copies as python.exe and pythonw.exe into an environment, and the package of this Python lacks.
 *
 * It behaves as CPython's own launcher does: the interpreter runs as a second process, in a job that ends it
 * with the launcher but lets its children go, and its exit code is passed on. Built with -DPROGRAM=L"python.exe",
 * and for Python 3.12 and older with -DNAMES_THE_BASE: there the command line names the base interpreter.
 */
#include <string.h>
#include <windows.h>

enum { PATH_ROOM = 32768, LINE_ROOM = 65536, CONFIG_ROOM = 8192 };

static WCHAR itself[PATH_ROOM], config[PATH_ROOM], base[PATH_ROOM], line[LINE_ROOM];

static BOOL WINAPI leave_it_to_the_child(DWORD event) {
    (void)event;
    return TRUE;
}

/* Reads the value of `home` in `config` into `base`. */
static void read_home(void) {
    char text[CONFIG_ROOM], *at, *end;
    DWORD size = 0;
    HANDLE file = CreateFileW(config, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);

    if (file == INVALID_HANDLE_VALUE)
        return;
    ReadFile(file, text, sizeof text - 1, &size, NULL);
    CloseHandle(file);
    text[size] = 0;
    at = strncmp(text, "home", 4) == 0 ? text : strstr(text, "\nhome");
    if (at == NULL || (at = strchr(at, '=')) == NULL)
        return;
    at += 1 + strspn(at + 1, " ");
    end = at + strcspn(at, "\r\n");
    base[MultiByteToWideChar(CP_UTF8, 0, at, (int)(end - at), base, PATH_ROOM - 16)] = 0;
}

/* Finds pyvenv.cfg in the launcher's folder, or in the one above. */
static BOOL find_base(void) {
    lstrcpyW(config, itself);
    for (int up = 1; up <= 2 && base[0] == 0; up++) {
        for (int cut = 0; cut < up; cut++) {
            WCHAR *slash = wcsrchr(config, L'\\');
            if (slash != NULL)
                *slash = 0;
        }
        lstrcatW(config, L"\\pyvenv.cfg");
        read_home();
    }
    if (base[0] == 0)
        return FALSE;
    lstrcatW(base, L"\\" PROGRAM);
    return TRUE;
}

static void write_line(void) {
    WCHAR *given = GetCommandLineW();
#ifdef NAMES_THE_BASE
    if (*given == L'"') {
        for (given++; *given != 0 && *given != L'"'; given++)
            ;
        given += *given == L'"';
    } else {
        while (*given != 0 && *given != L' ')
            given++;
    }
    lstrcpyW(line, L"\"");
    lstrcatW(line, base);
    lstrcatW(line, L"\"");
    lstrcatW(line, given);
#else
    lstrcpyW(line, given);
#endif
}

static HANDLE job_that_ends_with_us(void) {
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits;
    HANDLE job = CreateJobObjectW(NULL, NULL);

    memset(&limits, 0, sizeof limits);
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK;
    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limits, sizeof limits);
    return job;
}

static HANDLE inheritable(DWORD which) {
    HANDLE own = GetCurrentProcess(), copy = NULL;

    return DuplicateHandle(own, GetStdHandle(which), own, &copy, 0, TRUE, DUPLICATE_SAME_ACCESS) ? copy : NULL;
}

int main(void) {
    STARTUPINFOW startup;
    PROCESS_INFORMATION child;
    DWORD code = 1;
    HANDLE job;

    GetModuleFileNameW(NULL, itself, PATH_ROOM);
    if (!find_base())
        return 106;
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", itself);
    write_line();
    job = job_that_ends_with_us();
    GetStartupInfoW(&startup);
    startup.dwFlags = STARTF_USESTDHANDLES;
    startup.hStdInput = inheritable(STD_INPUT_HANDLE);
    startup.hStdOutput = inheritable(STD_OUTPUT_HANDLE);
    startup.hStdError = inheritable(STD_ERROR_HANDLE);
    SetConsoleCtrlHandler(leave_it_to_the_child, TRUE);
    if (!CreateProcessW(base, line, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &child))
        return 101;
    AssignProcessToJobObject(job, child.hProcess);
    WaitForSingleObject(child.hProcess, INFINITE);
    GetExitCodeProcess(child.hProcess, &code);
    return (int)code;
}
