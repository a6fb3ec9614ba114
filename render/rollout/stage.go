package rollout

import (
	"errors"
	"log/slog"
	"path/filepath"
	"syscall"
)

// staged is a file that differs from its destination, on its way there. It has to be
// closed.
type staged struct {
	file File
	plan plan
	tmp  string // beside the destination, on the plan's disk; empty when nothing is to be replaced
	// passing says that after a power failure the file before may be there, as it was.
	passing bool
}

// stage writes the file beside its destination. It gives nil when the destination is
// as the file says.
func (f File) stage() (*staged, error) {
	p, err := f.plan()
	if err != nil {
		return nil, err
	}
	s := &staged{file: f, plan: p}
	if !p.differs() {
		s.close()
		return nil, nil
	}
	if s.replaces() {
		err = s.write()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// replaces tells whether a new file takes the place of the old one; if not, that one
// is changed in place.
func (s *staged) replaces() bool {
	return !s.file.Append && (s.plan.content || s.file.Within != "")
}

func (s *staged) write() error {
	if err := s.file.needDir(s.plan.disk, filepath.Dir(s.plan.path)); err != nil {
		return err
	}
	tmp, file, err := createTemp(s.plan.disk, s.plan.path)
	if err != nil {
		return err
	}
	s.tmp = tmp
	return s.file.write(file, s.plan)
}

// commit puts the file in the place of its destination.
func (s *staged) commit(log *slog.Logger) error {
	switch {
	case s.file.Append:
		return s.file.extend(s.plan)
	case s.tmp == "":
		return s.plan.setAttributes(byName(s.plan.path))
	}
	if s.file.Backup && s.plan.exists {
		if err := backup(s.plan.disk, s.plan.path); err != nil {
			log.Warn("cannot keep the old file as a backup", "file", s.plan.path, "error", err)
		}
	}
	return s.replace(log)
}

// replace renames the new file over the old one.
func (s *staged) replace(log *slog.Logger) error {
	err := s.plan.disk.Rename(s.tmp, s.plan.path)
	if errors.Is(err, syscall.EBUSY) {
		log.Warn("the destination cannot be replaced (is it a bind mount?): writing it in place, which is not atomic", "file", s.plan.path)
		return s.file.fill(s.plan)
	}
	if err != nil {
		return err
	}
	if s.tmp = ""; s.passing {
		return nil
	}
	dir := filepath.Dir(s.plan.path)
	if err := syncDir(s.plan.disk, dir); err != nil { // the file is in place all the same
		log.Warn("cannot sync the directory: the new file may be lost in a power failure", "directory", dir, "error", err)
	}
	return nil
}

// close removes what was staged and not committed.
func (s *staged) close() {
	if s.tmp != "" {
		_ = s.plan.disk.Remove(s.tmp)
	}
	_ = s.plan.disk.Close()
}

// Put makes the destination as f says and tells whether that changed anything.
func (f File) Put(log *slog.Logger) (changed bool, err error) {
	s, err := f.stage()
	if s == nil || err != nil {
		return false, err
	}
	defer s.close()
	err = s.commit(log)
	return err == nil, err
}
