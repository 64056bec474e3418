"""Who may use what is in a lake: whoever the lake's own folder lets.

What a process makes has its umask, its user and its group, so that the next user of a lake
could be shut out by the first one. Files and folders of a lake take mode and group from the
lake's folder instead, and the owner too where root makes them, as in git's shared repositories.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import stat

_READING = os.R_OK | os.X_OK


def make_folder(root: str, folder: str) -> None:
    """Make a folder within a lake, and those around it; fine if there is one.

    Args:
        root: The lake's folder; where it is not there yet, it is made as the umask says.
        folder: Its path, as the system knows it.
    """
    # Most often it is there, and to look takes a third of the time of a refused attempt.
    if os.path.isdir(folder):
        return
    try:
        os.mkdir(folder)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise
        return
    except FileNotFoundError:
        if len(folder) <= len(root):
            os.makedirs(folder, exist_ok=True)
            return
        make_folder(root, os.path.dirname(folder))
        make_folder(root, folder)
        return
    if folder != root:
        share(os.stat(root), folder, os.lstat(folder))


def mode_of_files(lake: os.stat_result) -> int:
    """Return the mode of files in a lake, given what the system says of its folder."""
    return lake.st_mode & 0o666


def share(lake: os.stat_result, made: str | int, found: os.stat_result) -> None:
    """Give a file or folder that this process has just made the mode and owner of the lake's.

    Args:
        lake: What the system says of the lake's folder.
        made: What was made, as the system knows it; or the descriptor of a file.
        found: What the system says of that.
    """
    # Not the sticky bit: in a folder that has it nobody could clean up after others.
    is_folder = stat.S_ISDIR(found.st_mode)
    wanted = lake.st_mode & 0o2777 if is_folder else mode_of_files(lake)
    is_given = found.st_uid != lake.st_uid and os.geteuid() == 0
    owner = lake.st_uid if is_given else found.st_uid
    if (found.st_uid, found.st_gid) != (owner, lake.st_gid):
        # Others may give a file only to a group that they are in.
        with contextlib.suppress(OSError):
            os.chown(made, owner, lake.st_gid, follow_symlinks=isinstance(made, int))
    # After the owner, whose change takes away the bit by which folders pass on their group.
    if stat.S_IMODE(found.st_mode) != wanted:
        with contextlib.suppress(OSError):
            os.chmod(made, wanted)


def way_out(root: str, path: str) -> str | None:
    """Return what lets this user at a path of a lake, where permissions refuse it.

    Args:
        root: The lake's folder.
        path: What was refused, as the system knows it.
    """
    culprit = _culprit(root, path)
    if culprit is None:
        return None
    found = os.stat(culprit)
    user, mode = _user_name(found.st_uid), stat.S_IMODE(found.st_mode)
    is_of = f"{culprit} belongs to {user} and has mode {mode:03o}"
    if len(culprit) < len(root):
        return is_of
    lake = os.stat(root)
    if not (lake.st_mode ^ found.st_mode) & (0o777 if stat.S_ISDIR(found.st_mode) else 0o666):
        return f"{is_of}, as the lake has; to share a lake see docs/how-to/share-a-lake.md"
    modes = ",".join(
        f"{who}={_letters(lake.st_mode >> shift)}"
        for who, shift in (("u", 6), ("g", 3), ("o", 0))
    )
    return f"{is_of}; {user} or root can mend that: chmod -R {modes} {shlex.quote(culprit)}"


def described(root: str) -> str:
    """Return who may use a lake, by its folder, in a few words."""
    found = os.stat(root)
    user, group = _user_name(found.st_uid), _group_name(found.st_gid)
    everybody = (("the group " + group, 3), ("everybody", 0))
    may = [f"{who} may write" for who, shift in everybody if found.st_mode >> shift & 0o2]
    may += [
        f"{who} may read" for who, shift in everybody if found.st_mode >> shift & 0o7 == 0o5
    ]
    others = ", ".join(may) or "nobody else may read"
    return f"of {user}, mode {stat.S_IMODE(found.st_mode):03o}: {others}"


def _user_name(uid: int) -> str:
    """Return the name of a user; the number where it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _culprit(root: str, path: str) -> str | None:
    """Return the first thing from the lake's folder on that this user may not use.

    Where there is no lake yet, that is the folder in which it was to be made.
    """
    if not os.path.lexists(root):
        return _culprit(os.path.dirname(root), os.path.dirname(root))
    below = [name for name in path[len(root) :].split("/") if name]
    places = itertools.accumulate([root, *below], lambda folder, name: f"{folder}/{name}")
    there = [place for place in places if os.path.lexists(place)]
    for place in there:
        wanted = _READING if os.path.isdir(place) else os.R_OK
        # By itself access() asks for the real user, and files are opened as the effective one.
        if not os.access(place, wanted, effective_ids=True):
            return place
    # It may all be read, so it was to be written.
    folders = [place for place in there if os.path.isdir(place)]
    return next(
        (
            each
            for each in reversed(folders)
            if not os.access(each, os.W_OK, effective_ids=True)
        ),
        None,
    )


def _letters(bits: int) -> str:
    return ("r" if bits & 4 else "") + ("w" if bits & 2 else "") + ("X" if bits & 1 else "")
