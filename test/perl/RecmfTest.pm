# RecmfTest.pm: what the TAP tests of recmf share.
package RecmfTest;

use strict;
use warnings;

use Exporter 'import';
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(new_node data_file load_xz load_orders measured sqlstate_of);

# A running server with the extension in database postgres.
sub new_node
{
	my ($name, %init) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$node->init(%init);
	$node->append_conf('postgresql.conf', "max_wal_size = 4GB\nclient_min_messages = error");
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION recmf');
	return $node;
}

# The path of a data set that the project may not contain, or undef.
sub data_file
{
	my ($name) = @_;
	my $path = ($ENV{RECMF_DATA} // '../shared/data') . "/$name";

	return -r $path ? $path : undef;
}

# COPY from a packed file, or from one member of a packed tar file.
sub load_xz
{
	my ($node, $file, $table, $options, $member) = @_;
	my $errors = '';
	my @unpack = defined $member ? ('tar', '-xJOf', $file, $member) : ('xz', '-dc', $file);

	IPC::Run::run(\@unpack, '|',
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'),
			'-c', "COPY $table FROM STDIN ($options)" ],
		'2>', \$errors)
		or die "$file into $table: $errors";
	return;
}

# The shop's orders that come with the project.
sub load_orders
{
	my ($node) = @_;

	$node->safe_psql(
		'postgres', q{
CREATE TABLE orders (invoice_no text, item_id text, quantity integer, invoice_date timestamp,
	unit_price numeric, user_id integer, country text)});
	load_xz($node, 'test/data/orders.csv.xz', 'orders', 'FORMAT csv, HEADER');
	return;
}

# A figure for whoever reads the log; test/check.sh shows it.
sub measured
{
	note('measured: ', @_);
	return;
}

# Runs a statement that should fail; returns its SQLSTATE and its message.
sub sqlstate_of
{
	my ($node, $sql, %options) = @_;
	my ($status, $out, $err) =
		$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", on_error_stop => 1, %options);

	return ('00000', '') if $status == 0;
	return $err =~ /(?:ERROR|FATAL):\s+([0-9A-Z]{5}): (.*)/ ? ($1, $2) : ('?????', $err);
}

1;
