# A hot standby serves, follows a retraining, and trains only after promotion.
use strict;
use warnings;

use RecmfTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = new_node('primary', allows_streaming => 1);

taste_table($primary);
$primary->safe_psql('postgres', q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)});
$primary->backup('copy');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

is(fingerprint($standby, 'shop'), fingerprint($primary, 'shop'), 'the standby recommends what the primary does');
for my $call (
	q{recommend('1', 5)}, q{recommend_for(ARRAY['P1', 'P4'], k => 5)}, q{similar_items('P1', 5)},
	q{similar_users('1', 5)}, q{predict('1', 'P2')}, q{popular_items(5)},
	q{user_factor('shop', '1')}, q{item_factor('shop', 'P1')})
{
	is( $standby->safe_psql('postgres', "SELECT * FROM $call"),
		$primary->safe_psql('postgres', "SELECT * FROM $call"),
		"the standby answers $call");
}

my ($state, $message) = sqlstate_of($standby, q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity')});
is($state, '25006', "training on the standby is refused: $message");

my $before = fingerprint($standby, 'shop');
$primary->safe_psql('postgres',
	q{SELECT FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 12)});
$primary->wait_for_catchup($standby);
is(fingerprint($standby, 'shop'), fingerprint($primary, 'shop'), 'the standby has the retrained model');
isnt(fingerprint($standby, 'shop'), $before, 'which is another one');

$primary->safe_psql('postgres', q{INSERT INTO orders SELECT 1, item_id, 1 FROM recommend('1', 3)});
$primary->wait_for_catchup($standby);
is( $standby->safe_psql(
		'postgres', q{SELECT count(*) FROM recommend('1', 50) JOIN orders USING (item_id) WHERE user_id = 1}),
	'0', 'what was just bought is not recommended on the standby either');

$primary->stop('immediate');
$standby->promote;
is( $standby->safe_psql(
		'postgres', q{SELECT version FROM train_model('shop', 'orders', rating_col => 'quantity', factors => 8)}),
	'3', 'after promotion it trains');

$standby->stop;
done_testing();
