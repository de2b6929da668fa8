#include "amqp/frame_reader.hpp"
#include "amqp/method_codec.hpp"
#include "broker/net/handshake.hpp"

#include <gtest/gtest.h>

namespace baton::test {
namespace {

using broker::net::Handshake;
using broker::net::LoginVerdict;
using broker::net::NetOptions;
using State = Handshake::State;

class Opening : public testing::Test {
protected:
    // What the server wrote since the last call.
    std::vector<amqp::Method> said() {
        std::vector<amqp::Method> methods;
        amqp::FrameReader reader;
        const auto space = reader.writable();
        std::memcpy(space.data(), out.data(), out.size());
        reader.written(out.size());
        out.clear();
        for (auto frame = reader.next(); frame && *frame; frame = reader.next())
            methods.push_back(amqp::decode_method((*frame)->payload).value());
        return methods;
    }
    void hear(const amqp::Method& method, std::uint16_t channel = 0) {
        amqp::Buffer payload;
        ASSERT_TRUE(amqp::encode_method(method, payload));
        take({amqp::FrameType::method, channel, payload.view()});
    }
    void take(const amqp::Frame& frame) {
        handshake.take(frame, out);
        if (handshake.state() != State::expects_verdict) return;
        user = handshake.login().user;
        password = handshake.login().password;
        handshake.judge(!password || password == "secret" ? verdict : LoginVerdict::refused, out);
    }
    amqp::ConnectionStartOk start_ok(std::string mechanism, std::string response,
                                     bool understands_failures = true) {
        return {
            .client_properties = {{"capabilities", amqp::FieldTable{{"authentication_failure_close",
                                                                     understands_failures},
                                                                    {"connection.blocked", true}}}},
            .mechanism = std::move(mechanism),
            .response = {std::move(response)},
            .locale = "en_US"};
    }
    static std::string plain(std::string user, std::string password) {
        return std::string(1, '\0') + user + std::string(1, '\0') + password;
    }
    void log_in() {
        handshake.begin(out);
        hear(start_ok("PLAIN", plain("guest", "secret")));
        said();
    }
    amqp::ConnectionClose the_close() {
        const auto methods = said();
        EXPECT_EQ(methods.size(), 1u);
        EXPECT_EQ(handshake.state(), State::closing);
        const auto* close =
            methods.empty() ? nullptr : std::get_if<amqp::ConnectionClose>(&methods[0]);
        EXPECT_NE(close, nullptr);
        return close == nullptr ? amqp::ConnectionClose{} : *close;
    }

    NetOptions options;
    LoginVerdict verdict = LoginVerdict::welcome;
    std::string user;
    std::optional<std::string> password;
    Handshake with(Handshake::Peer peer) { return {options, std::move(peer)}; }
    Handshake handshake = with({});
    amqp::Buffer out;
};

TEST_F(Opening, ExternalIsOfferedToAVerifiedCertificateAndNeedsNoPassword) {
    handshake = with({.has_tls = true, .is_verified = true, .user = "CN=ada"});
    handshake.begin(out);
    EXPECT_EQ(std::get<amqp::ConnectionStart>(said().at(0)).mechanisms.text,
              "AMQPLAIN PLAIN EXTERNAL");

    hear(start_ok("EXTERNAL", "somebody else"));

    EXPECT_EQ(handshake.state(), State::expects_tune_ok);
    EXPECT_EQ(user, "CN=ada");
    EXPECT_FALSE(password);
    EXPECT_EQ(handshake.agreement().mechanism, "EXTERNAL");
}

TEST_F(Opening, ExternalOfAnUnknownUserIsRefusedLikeAWrongPassword) {
    handshake = with({.has_tls = true, .is_verified = true, .user = "CN=nobody"});
    verdict = LoginVerdict::refused;
    handshake.begin(out);
    said();

    hear(start_ok("EXTERNAL", ""));

    EXPECT_EQ(the_close().reply_text,
              "ACCESS_REFUSED - Login was refused using authentication mechanism EXTERNAL. For "
              "details see the broker logfile.");
    EXPECT_EQ(handshake.complaint(), "no user 'CN=nobody', whom the certificate names");
}

TEST_F(Opening, ExternalWithoutTheNameInTheCertificateIsRefused) {
    handshake = with({.has_tls = true, .is_verified = true, .user = std::nullopt});
    handshake.begin(out);
    said();

    hear(start_ok("EXTERNAL", ""));

    EXPECT_EQ(the_close().reply_code, 403);
}

TEST_F(Opening, ExternalWithoutAVerifiedCertificateIsRefusedAndWithoutTlsUnknown) {
    for (const bool has_tls : {false, true}) {
        handshake = with({.has_tls = has_tls, .is_verified = false, .user = "CN=unverified"});
        handshake.begin(out);
        EXPECT_EQ(std::get<amqp::ConnectionStart>(said().at(0)).mechanisms.text, "AMQPLAIN PLAIN");

        hear(start_ok("EXTERNAL", ""));

        const auto close = the_close();
        EXPECT_EQ(close.reply_code, has_tls ? 403 : 503);
        EXPECT_EQ(close.reply_text,
                  has_tls ? "ACCESS_REFUSED - Login was refused using authentication mechanism "
                            "EXTERNAL. For details see the broker logfile."
                          : "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'");
    }
}

TEST_F(Opening, StartTellsWhoWeAreAndWhatWeCan) {
    handshake.begin(out);

    const auto methods = said();
    ASSERT_EQ(methods.size(), 1u);
    const auto& start = std::get<amqp::ConnectionStart>(methods[0]);
    EXPECT_EQ(start.version_minor, 9);
    EXPECT_EQ(start.mechanisms.text, "AMQPLAIN PLAIN");
    EXPECT_EQ(*start.server_properties.find("product")->get<std::string>(), "Baton");
    const auto* can = start.server_properties.find("capabilities")->get<amqp::FieldTable>();
    ASSERT_NE(can, nullptr);
    for (const auto& [name, value] : *can)
        EXPECT_TRUE(*value.get<bool>()) << name;
    EXPECT_TRUE(can->contains("basic.nack"));
}

TEST_F(Opening, PlainLogsInAndTheAgreementIsWhatTheClientLowered) {
    handshake.begin(out);
    said();
    hear(start_ok("PLAIN", plain("guest", "secret")));

    const auto methods = said();
    EXPECT_EQ(std::get<amqp::ConnectionTune>(methods.at(0)),
              (amqp::ConnectionTune{2047, 131072, 60}));
    hear(amqp::ConnectionTuneOk{100, 8192, 0});
    hear(amqp::ConnectionOpen{"/"});

    EXPECT_EQ(handshake.state(), State::asked_to_open);
    EXPECT_EQ(handshake.agreement().user, "guest");
    EXPECT_EQ(handshake.agreement().vhost, "/");
    EXPECT_EQ(handshake.agreement().channel_max, 100);
    EXPECT_EQ(handshake.agreement().frame_max, 8192u);
    EXPECT_EQ(handshake.agreement().heartbeat_seconds, 0);
    EXPECT_TRUE(handshake.agreement().capabilities.connection_blocked);
}

TEST_F(Opening, AmqplainLogsIn) {
    amqp::Buffer table;
    amqp::Writer writer(table);
    amqp::write_table(writer, {{"LOGIN", "guest"}, {"PASSWORD", "secret"}});
    handshake.begin(out);
    hear(start_ok("AMQPLAIN", std::string(table.text().substr(4))));

    EXPECT_EQ(handshake.state(), State::expects_tune_ok);
    EXPECT_EQ(user, "guest");
    EXPECT_EQ(password, "secret");
}

TEST_F(Opening, AWrongPasswordIsToldToThoseWhoUnderstand) {
    handshake.begin(out);
    said();
    hear(start_ok("PLAIN", plain("guest", "wrong")));

    const auto close = the_close();
    EXPECT_EQ(close.reply_code, 403);
    EXPECT_EQ(close.reply_text, "ACCESS_REFUSED - Login was refused using authentication mechanism "
                                "PLAIN. For details see the broker logfile.");
    hear(amqp::ConnectionCloseOk{});
    EXPECT_EQ(handshake.state(), State::dropped);
}

TEST_F(Opening, AWrongPasswordClosesTheSocketOfThoseWhoDoNot) {
    handshake.begin(out);
    said();
    hear(start_ok("PLAIN", plain("guest", "wrong"), false));

    EXPECT_EQ(handshake.state(), State::dropped);
    EXPECT_TRUE(said().empty());
}

TEST_F(Opening, TheRightPasswordFromTheWrongPlaceIsRefusedWithTheSameWords) {
    verdict = LoginVerdict::only_from_loopback;
    handshake.begin(out);
    said();
    hear(start_ok("PLAIN", plain("guest", "secret")));

    EXPECT_EQ(the_close().reply_code, 403);
    EXPECT_NE(handshake.complaint().find("this machine only"), std::string::npos);
}

TEST_F(Opening, WhoeverHasToWaitAfterWrongPasswordsIsToldSo) {
    verdict = LoginVerdict::paused;
    handshake.begin(out);
    said();
    hear(start_ok("PLAIN", plain("guest", "secret")));

    const auto close = the_close();
    EXPECT_EQ(close.reply_code, 403);
    EXPECT_TRUE(std::string(close.reply_text).starts_with("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN."));
    EXPECT_NE(std::string(close.reply_text).find("none is looked at for up to a minute"), std::string::npos);
    EXPECT_NE(handshake.complaint().find("guessing is slowed down"), std::string::npos);
}

TEST_F(Opening, CredentialsThatMakeNoSenseAreRefused) {
    for (const std::string& response :
         {std::string(), std::string("guest"), std::string(1, '\0')}) {
        Handshake fresh = with({});
        amqp::Buffer payload;
        ASSERT_TRUE(amqp::encode_method(amqp::Method(start_ok("PLAIN", response, false)), payload));
        fresh.begin(out);
        fresh.take({amqp::FrameType::method, 0, payload.view()}, out);
        EXPECT_EQ(fresh.state(), State::dropped);
    }
}

TEST_F(Opening, AnUnknownMechanismIsNamed) {
    handshake.begin(out);
    said();
    hear(start_ok("GSSAPI", ""));

    const auto close = the_close();
    EXPECT_EQ(close.reply_code, 503);
    EXPECT_EQ(close.reply_text, "COMMAND_INVALID - unknown authentication mechanism 'GSSAPI'");
}

TEST_F(Opening, TuningOutsideTheLimitsIsRefusedWithBothNumbers) {
    struct Case {
        amqp::ConnectionTuneOk tune;
        std::string text;
    };
    const std::vector<Case> cases{
        {{4000, 131072, 0},
         "negotiated channel_max = 4000 is higher than the maximum allowed "
         "value (2047)"},
        {{0, 131072, 0},
         "negotiated channel_max = 0 is higher than the maximum allowed value "
         "(2047)"},
        {{100, 2000, 0},
         "negotiated frame_max = 2000 is lower than the minimum allowed value "
         "(4096)"},
        {{100, 200'000, 0},
         "negotiated frame_max = 200000 is higher than the maximum allowed "
         "value (131072)"}};
    for (const Case& one : cases) {
        Handshake fresh = with({});
        amqp::Buffer payload;
        fresh.begin(out);
        ASSERT_TRUE(
            amqp::encode_method(amqp::Method(start_ok("PLAIN", plain("a", "secret"))), payload));
        fresh.take({amqp::FrameType::method, 0, payload.view()}, out);
        fresh.judge(LoginVerdict::welcome, out);
        payload.clear();
        said();
        ASSERT_TRUE(amqp::encode_method(amqp::Method(one.tune), payload));
        fresh.take({amqp::FrameType::method, 0, payload.view()}, out);
        const auto methods = said();
        ASSERT_EQ(methods.size(), 1u);
        const auto& close = std::get<amqp::ConnectionClose>(methods[0]);
        EXPECT_EQ(close.reply_code, 530);
        EXPECT_EQ(close.reply_text, "NOT_ALLOWED - " + one.text);
    }
}

TEST_F(Opening, AMethodOutOfOrderIsNamedAndCloses) {
    handshake.begin(out);
    said();
    hear(amqp::ConnectionOpen{"/"});

    const auto close = the_close();
    EXPECT_EQ(close.reply_code, 503);
    EXPECT_EQ(close.class_id, 10);
    EXPECT_EQ(close.method_id, 40);
}

TEST_F(Opening, FramesThatDoNotBelongHereCloseWithTheirCode) {
    log_in();
    handshake.take({amqp::FrameType::body, 1, {}}, out);
    EXPECT_EQ(the_close().reply_code, 505);
}

TEST_F(Opening, AClientThatGivesUpGetsItsCloseOk) {
    log_in();
    hear(amqp::ConnectionClose{200, "bye", 0, 0});

    EXPECT_TRUE(std::holds_alternative<amqp::ConnectionCloseOk>(said().at(0)));
    EXPECT_EQ(handshake.state(), State::dropped);
}

} // namespace
} // namespace baton::test
