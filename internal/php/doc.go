// Package php writes what PHP writes for what it has decoded. It rebuilds the
// text a PHP sender signed when the wire carries another spelling of it: the
// text of a number, a JSON body that was decoded and encoded again, and a form
// that was parsed and built again.
//
// All functions follow PHP 8 with the settings it ships with (precision 14,
// serialize_precision -1) on a 64-bit machine, and are held against tables that
// a real PHP wrote, see testdata/generate.php.
package php
