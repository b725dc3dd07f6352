package sqlstore

// AsOnMySQL makes a store on MariaDB use the statements for MySQL, which can't be
// had for tests.
func (s *Store) AsOnMySQL() { s.sql = newStatements(s.cfg.Dialect, s.cfg.Prefix, false) }
