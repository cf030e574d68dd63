"""What a server on one machine does, one on three nodes does too."""

import pytest

from tests.integration.server.test_resume import (  # noqa: F401
    test_a_reader_that_is_cut_off_again_and_again_misses_nothing,
)
from tests.integration.server.test_server_bad_input import (  # noqa: F401
    test_huge_bodies_are_refused_and_the_server_answers_on,
    test_malformed_frames_end_their_sessions_and_no_other,
    test_requests_that_never_end_delay_nobody,
)
from tests.integration.server.test_server_flow import (  # noqa: F401
    test_a_forged_or_foreign_token_is_refused_everywhere,
    test_a_like_is_pushed_to_who_watches_the_tweet,
    test_a_post_is_in_home_once_the_queue_is_empty,
    test_a_post_reaches_a_followers_open_connection,
    test_a_repeated_post_under_one_key_is_one_tweet,
    test_deletions_and_edits_are_pushed,
    test_devices_show_which_are_connected,
    test_following_fills_home_with_the_past,
    test_home_goes_on_past_the_ring,
    test_homes_stay_exact_while_an_author_becomes_a_celebrity_and_ceases_to_be,
    test_logging_out_locks_the_device_out,
    test_replies_form_a_conversation,
    test_revoking_a_device_locks_only_that_one_out,
    test_rotated_keys_leave_older_tokens_valid,
    test_unfollowing_ends_delivery,
)

pytestmark = pytest.mark.timeout(180)  # the first test starts the cluster
